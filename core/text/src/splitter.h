// One Split step of a pre-tokenizer: a regular expression whose matches, and the text between them, become pieces.
#pragma once
#ifndef PCRE2_CODE_UNIT_WIDTH
#define PCRE2_CODE_UNIT_WIDTH 8
#endif
#include <pcre2.h>

#include <memory>
#include <string>
#include <string_view>

namespace fovea::text {

/// Working memory of one thread for all steps.
class SplitScratch {
 public:
  SplitScratch();
  SplitScratch(const SplitScratch&) = delete;
  SplitScratch& operator=(const SplitScratch&) = delete;
  ~SplitScratch();

 private:
  friend class Splitter;
  pcre2_match_data* data_;
  pcre2_match_context* context_;
  pcre2_jit_stack* stack_;
};

/// Thread-safe after construction.
class Splitter {
 public:
  /// `pattern` in Oniguruma's Ruby syntax as far as PCRE2 shares it. \s and \S are spelled out: PCRE2's hold U+180E, which left
  /// White_Space in Unicode 6.3. Errors: ConfigError with PCRE2's message; class set operations are refused.
  Splitter(const std::string& pattern, bool literal, const std::string& where);

  /// Next match in `piece` at or after `from`: false if there is none. begin == end for an empty match.
  bool find(std::string_view piece, size_t from, SplitScratch& scratch, size_t& begin, size_t& end) const;

 private:
  struct FreeCode {
    void operator()(pcre2_code* code) const { pcre2_code_free(code); }
  };
  std::unique_ptr<pcre2_code, FreeCode> code_;
  bool has_jit_ = false;
  std::string where_;
};

}  // namespace fovea::text
