// Regular expressions over code points.
#pragma once
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace fovea::metrics {

/// A pattern in ICU's syntax, which is Python's for what is used here. Matching is leftmost and backtracking, as in Python's re. Thread-safe.
class Pattern {
 public:
  struct Match {
    size_t begin = 0, end = 0;
    std::vector<std::pair<size_t, size_t>> groups;  ///< [0] is the whole; npos, npos: not taken part
    std::u32string_view of(std::u32string_view text, size_t group) const;
    bool has(size_t group) const { return groups[group].first != std::u32string_view::npos; }
  };
  /// dot_all: '.' matches line breaks too; otherwise all but "\n", as in Python.
  explicit Pattern(const char* pattern, bool dot_all = false, bool ignore_case = false);
  ~Pattern();

  std::optional<Match> search(std::u32string_view text) const;
  std::vector<Match> all(std::u32string_view text) const;
  size_t count(std::u32string_view text) const { return all(text).size(); }
  bool is_in(std::u32string_view text) const { return search(text).has_value(); }
  std::u32string replace(std::u32string_view text, const std::function<std::u32string(const Match&)>& with) const;
  std::u32string remove(std::u32string_view text) const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace fovea::metrics
