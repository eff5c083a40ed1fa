#include "pattern.h"

#include <unicode/regex.h>
#include <unicode/unistr.h>

#include <stdexcept>

namespace fovea::metrics {

using View = std::u32string_view;

struct Pattern::Impl {
  std::unique_ptr<icu::RegexPattern> pattern;
};

namespace {

// A text in UTF-16 and where its units lie among the code points.
struct Units {
  icu::UnicodeString text;
  std::vector<size_t> code_point;  // empty: one unit each
  explicit Units(View in) {
    text = icu::UnicodeString::fromUTF32(reinterpret_cast<const UChar32*>(in.data()), int32_t(in.size()));
    if (size_t(text.length()) == in.size()) return;
    code_point.reserve(size_t(text.length()) + 1);
    for (size_t i = 0; i < in.size(); ++i)
      for (int k = 0; k < (in[i] > 0xFFFF ? 2 : 1); ++k) code_point.push_back(i);
    code_point.push_back(in.size());
  }
  size_t at(int32_t unit) const { return unit < 0 ? View::npos : code_point.empty() ? size_t(unit) : code_point[size_t(unit)]; }
};

}  // namespace

View Pattern::Match::of(View text, size_t group) const { return has(group) ? text.substr(groups[group].first, groups[group].second - groups[group].first) : View(); }

Pattern::Pattern(const char* pattern, bool dot_all, bool ignore_case) : impl_(std::make_unique<Impl>()) {
  UErrorCode status = U_ZERO_ERROR;
  UParseError where;
  const uint32_t flags = UREGEX_UNIX_LINES | (dot_all ? UREGEX_DOTALL : 0) | (ignore_case ? UREGEX_CASE_INSENSITIVE : 0);
  impl_->pattern.reset(icu::RegexPattern::compile(icu::UnicodeString::fromUTF8(pattern), flags, where, status));
  if (U_FAILURE(status)) throw std::logic_error(std::string("pattern '") + pattern + "': " + u_errorName(status));
}

Pattern::~Pattern() = default;

namespace {

template <class Each> void find(const icu::RegexPattern& pattern, View in, Each&& each) {
  const Units units(in);
  UErrorCode status = U_ZERO_ERROR;
  const std::unique_ptr<icu::RegexMatcher> matcher(pattern.matcher(units.text, status));
  if (U_FAILURE(status)) throw std::runtime_error(std::string("regular expression: ") + u_errorName(status));
  matcher->setStackLimit(0, status);
  while (matcher->find(status)) {
    Pattern::Match match;
    for (int32_t g = 0; g <= matcher->groupCount(); ++g) match.groups.emplace_back(units.at(matcher->start(g, status)), units.at(matcher->end(g, status)));
    match.begin = match.groups[0].first;
    match.end = match.groups[0].second;
    if (!each(match)) return;
  }
  if (U_FAILURE(status)) throw std::runtime_error(std::string("regular expression: ") + u_errorName(status));
}

}  // namespace

std::optional<Pattern::Match> Pattern::search(View text) const {
  std::optional<Match> out;
  find(*impl_->pattern, text, [&](const Match& match) { return out = match, false; });
  return out;
}

std::vector<Pattern::Match> Pattern::all(View text) const {
  std::vector<Match> out;
  find(*impl_->pattern, text, [&](const Match& match) { return out.push_back(match), true; });
  return out;
}

std::u32string Pattern::replace(View text, const std::function<std::u32string(const Match&)>& with) const {
  std::u32string out;
  size_t at = 0;
  for (const Match& match : all(text)) {
    out += text.substr(at, match.begin - at);
    out += with(match);
    at = match.end;
  }
  return out + std::u32string(text.substr(at));
}

std::u32string Pattern::remove(View text) const {
  return replace(text, [](const Match&) { return std::u32string(); });
}

}  // namespace fovea::metrics
