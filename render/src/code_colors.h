// Code colours: a small lexer for the code blocks of Markdown.
#pragma once
#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace fovea::render {

enum class CodeToken { kPlain, kKeyword, kString, kComment, kNumber };
struct CodeRange {
  size_t byte_begin = 0, byte_end = 0;
  CodeToken token = CodeToken::kPlain;
};

/// Keywords, strings, comments and numbers of `code`, rising, gaps between. language: the info string's first word ("cpp", "python", ...);
/// of unknown languages only strings and numbers are told apart.
std::vector<CodeRange> color_code(std::string_view code, const std::string& language);

}  // namespace fovea::render
