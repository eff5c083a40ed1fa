#include "splitter.h"

#include "fovea/base/error.h"

namespace fovea::text {
namespace {

// Unicode's White_Space, and everything else, as class members.
constexpr const char* kSpaceMembers =
    "\\x09-\\x0D\\x20\\x85\\xA0\\x{1680}\\x{2000}-\\x{200A}\\x{2028}\\x{2029}\\x{202F}\\x{205F}\\x{3000}";
constexpr const char* kNotSpaceMembers =
    "\\x00-\\x08\\x0E-\\x1F\\x21-\\x84\\x86-\\x9F\\xA1-\\x{167F}\\x{1681}-\\x{1FFF}\\x{200B}-\\x{2027}\\x{202A}-\\x{202E}"
    "\\x{2030}-\\x{205E}\\x{2060}-\\x{2FFF}\\x{3001}-\\x{10FFFF}";

std::string spell_out_spaces(const std::string& pattern, const std::string& where) {
  std::string out;
  bool in_class = false;
  for (size_t i = 0; i < pattern.size(); ++i) {
    const char c = pattern[i];
    if (c == '\\' && i + 1 < pattern.size()) {
      const char next = pattern[++i];
      if (next == 's' || next == 'S') {
        const char* members = next == 's' ? kSpaceMembers : kNotSpaceMembers;
        out += in_class ? members : "[" + std::string(members) + "]";
      } else {
        out += c;
        out += next;
      }
      continue;
    }
    if (!in_class && c == '[') {
      in_class = true;
      out += c;
      if (i + 1 < pattern.size() && pattern[i + 1] == '^') out += pattern[++i];
      if (i + 1 < pattern.size() && pattern[i + 1] == ']') out += "\\]", ++i;
      continue;
    }
    if (in_class && c == '[' && i + 1 < pattern.size() && pattern[i + 1] == ':') {  // [:alpha:]
      const size_t end = pattern.find(":]", i + 2);
      if (end != std::string::npos) {
        out += pattern.substr(i, end + 2 - i);
        i = end + 1;
        continue;
      }
    }
    if (in_class && (c == '[' || (c == '&' && i + 1 < pattern.size() && pattern[i + 1] == '&')))
      throw ConfigError("[" + where + "] set operations inside a character class are not supported, got " + pattern);
    if (in_class && c == ']') in_class = false;
    out += c;
  }
  return out;
}

std::string message_of(int code) {
  PCRE2_UCHAR text[256];
  pcre2_get_error_message(code, text, sizeof text);
  return reinterpret_cast<const char*>(text);
}

}  // namespace

SplitScratch::SplitScratch()
    : data_(pcre2_match_data_create(1, nullptr)),
      context_(pcre2_match_context_create(nullptr)),
      stack_(pcre2_jit_stack_create(32 * 1024, 16 * 1024 * 1024, nullptr)) {
  if (stack_) pcre2_jit_stack_assign(context_, nullptr, stack_);
  pcre2_set_match_limit(context_, 0xFFFFFFFFu);
}

SplitScratch::~SplitScratch() {
  pcre2_match_data_free(data_);
  pcre2_match_context_free(context_);
  if (stack_) pcre2_jit_stack_free(stack_);
}

Splitter::Splitter(const std::string& pattern, bool literal, const std::string& where) : where_(where) {
  const std::string source = literal ? pattern : spell_out_spaces(pattern, where);
  std::unique_ptr<pcre2_compile_context, decltype(&pcre2_compile_context_free)> context(pcre2_compile_context_create(nullptr),
                                                                                        &pcre2_compile_context_free);
  pcre2_set_newline(context.get(), PCRE2_NEWLINE_LF);
  int error = 0;
  PCRE2_SIZE at = 0;
  const uint32_t options = PCRE2_UTF | (literal ? PCRE2_LITERAL : PCRE2_UCP | PCRE2_MULTILINE);
  code_.reset(
      pcre2_compile(reinterpret_cast<PCRE2_SPTR>(source.data()), source.size(), options, &error, &at, context.get()));
  if (!code_)
    throw ConfigError("[" + where + "] the pattern does not compile: " + message_of(error) + " at offset " + std::to_string(at) +
                      ", got " + pattern);
  has_jit_ = pcre2_jit_compile(code_.get(), PCRE2_JIT_COMPLETE) == 0;
}

bool Splitter::find(std::string_view piece, size_t from, SplitScratch& scratch, size_t& begin, size_t& end) const {
  const auto* subject = reinterpret_cast<PCRE2_SPTR>(piece.data());
  int found = has_jit_ ? pcre2_jit_match(code_.get(), subject, piece.size(), from, PCRE2_NO_UTF_CHECK, scratch.data_, scratch.context_)
                       : PCRE2_ERROR_JIT_STACKLIMIT;
  if (found < 0 && found != PCRE2_ERROR_NOMATCH)  // no JIT on this machine, or its stack is spent: the interpreter uses the heap
    found = pcre2_match(code_.get(), subject, piece.size(), from, PCRE2_NO_UTF_CHECK | PCRE2_NO_JIT, scratch.data_, scratch.context_);
  if (found == PCRE2_ERROR_NOMATCH) return false;
  if (found < 0) throw ConfigError("[" + where_ + "] the pattern fails on this text: " + message_of(found));
  const PCRE2_SIZE* range = pcre2_get_ovector_pointer(scratch.data_);
  begin = range[0];
  end = range[1];
  return true;
}

}  // namespace fovea::text
