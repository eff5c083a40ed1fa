#include "code_colors.h"

#include <algorithm>
#include <set>

namespace fovea::render {
namespace {

struct Language {
  std::vector<const char*> names;
  std::vector<const char*> line_comments;
  const char* block_begin = nullptr;
  const char* block_end = nullptr;
  std::set<std::string_view> keywords;
  bool triple_quotes = false;
};

const std::vector<Language>& known_languages() {
  static const std::vector<Language> table = {
      {{"c", "cpp", "c++", "cc", "h", "hpp", "cuda", "cxx"}, {"//"}, "/*", "*/",
       {"alignas", "auto", "bool", "break", "case", "catch", "char", "class", "const", "constexpr", "continue", "default", "delete", "do",
        "double", "else", "enum", "explicit", "extern", "false", "float", "for", "friend", "if", "inline", "int", "long", "namespace", "new",
        "noexcept", "nullptr", "operator", "override", "private", "protected", "public", "return", "short", "signed", "sizeof", "static",
        "struct", "switch", "template", "this", "throw", "true", "try", "typedef", "typename", "union", "unsigned", "using", "virtual",
        "void", "volatile", "while"}},
      {{"python", "py", "python3"}, {"#"}, nullptr, nullptr,
       {"False", "None", "True", "and", "as", "assert", "async", "await", "break", "class", "continue", "def", "del", "elif", "else",
        "except", "finally", "for", "from", "global", "if", "import", "in", "is", "lambda", "nonlocal", "not", "or", "pass", "raise",
        "return", "try", "while", "with", "yield"}, true},
      {{"javascript", "js", "typescript", "ts", "jsx", "tsx"}, {"//"}, "/*", "*/",
       {"async", "await", "break", "case", "catch", "class", "const", "continue", "default", "delete", "do", "else", "export", "extends",
        "false", "finally", "for", "from", "function", "if", "import", "in", "instanceof", "interface", "let", "new", "null", "of", "return",
        "static", "super", "switch", "this", "throw", "true", "try", "type", "typeof", "undefined", "var", "void", "while", "yield"}},
      {{"java", "kotlin", "scala", "csharp", "cs", "swift"}, {"//"}, "/*", "*/",
       {"abstract", "boolean", "break", "case", "catch", "char", "class", "const", "continue", "default", "do", "double", "else", "enum",
        "extends", "false", "final", "finally", "float", "for", "fun", "func", "if", "implements", "import", "int", "interface", "let",
        "long", "new", "null", "package", "private", "protected", "public", "return", "static", "string", "super", "switch", "this", "throw",
        "throws", "true", "try", "val", "var", "void", "while"}},
      {{"rust", "rs"}, {"//"}, "/*", "*/",
       {"as", "async", "await", "break", "const", "continue", "crate", "dyn", "else", "enum", "extern", "false", "fn", "for", "if", "impl",
        "in", "let", "loop", "match", "mod", "move", "mut", "pub", "ref", "return", "self", "Self", "static", "struct", "super", "trait",
        "true", "type", "unsafe", "use", "where", "while"}},
      {{"go", "golang"}, {"//"}, "/*", "*/",
       {"break", "case", "chan", "const", "continue", "default", "defer", "else", "false", "for", "func", "go", "if", "import", "interface",
        "map", "nil", "package", "range", "return", "select", "struct", "switch", "true", "type", "var"}},
      {{"sh", "bash", "shell", "zsh", "make", "makefile", "console"}, {"#"}, nullptr, nullptr,
       {"case", "do", "done", "elif", "else", "esac", "export", "fi", "for", "function", "if", "in", "local", "return", "then", "until",
        "while"}},
      {{"toml", "yaml", "yml", "ini", "cmake"}, {"#"}, nullptr, nullptr, {"true", "false", "null", "on", "off"}},
      {{"json"}, {}, nullptr, nullptr, {"true", "false", "null"}},
      {{"sql"}, {"--"}, "/*", "*/",
       {"AND", "AS", "BY", "CREATE", "DELETE", "FROM", "GROUP", "HAVING", "IN", "INSERT", "INTO", "IS", "JOIN", "LEFT", "LIKE", "LIMIT",
        "NOT", "NULL", "ON", "OR", "ORDER", "SELECT", "SET", "TABLE", "UPDATE", "VALUES", "WHERE"}},
  };
  return table;
}

bool is_word(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || static_cast<unsigned char>(c) >= 0x80; }
bool is_digit(char c) { return c >= '0' && c <= '9'; }

}  // namespace

std::vector<CodeRange> color_code(std::string_view code, const std::string& language) {
  std::string name = language;
  std::transform(name.begin(), name.end(), name.begin(), [](char c) { return c >= 'A' && c <= 'Z' ? char(c - 'A' + 'a') : c; });
  const Language* rules = nullptr;
  for (const Language& candidate : known_languages())
    for (const char* known : candidate.names)
      if (name == known) rules = &candidate;
  std::vector<CodeRange> out;
  const auto starts = [&](size_t at, const char* with) { return with && code.substr(at).starts_with(with); };
  size_t at = 0;
  const auto take = [&](size_t end, CodeToken token) {
    out.push_back({at, end, token});
    at = end;
  };
  while (at < code.size()) {
    const char c = code[at];
    if (rules) {
      bool comment = false;
      for (const char* mark : rules->line_comments) comment |= starts(at, mark);
      if (comment) {
        take(std::min(code.find('\n', at), code.size()), CodeToken::kComment);
        continue;
      }
      if (starts(at, rules->block_begin)) {
        const size_t end = code.find(rules->block_end, at + 2);
        take(end == std::string_view::npos ? code.size() : end + 2, CodeToken::kComment);
        continue;
      }
      if (rules->triple_quotes && (starts(at, "\"\"\"") || starts(at, "'''"))) {
        const size_t end = code.find(code.substr(at, 3), at + 3);
        take(end == std::string_view::npos ? code.size() : end + 3, CodeToken::kString);
        continue;
      }
    }
    if (c == '"' || c == '\'' || c == '`') {
      size_t end = at + 1;
      while (end < code.size() && code[end] != c && (code[end] != '\n' || c == '`')) end += code[end] == '\\' && end + 1 < code.size() ? 2 : 1;
      if (end < code.size() && code[end] == c) {
        take(end + 1, CodeToken::kString);
        continue;
      }
      ++at;  // an apostrophe
      continue;
    }
    if (is_word(c)) {
      size_t end = at;
      while (end < code.size() && (is_word(code[end]) || is_digit(code[end]))) ++end;
      if (rules && rules->keywords.count(code.substr(at, end - at)))
        take(end, CodeToken::kKeyword);
      else
        at = end;
      continue;
    }
    if (is_digit(c)) {
      size_t end = at;
      while (end < code.size() && (is_word(code[end]) || is_digit(code[end]) || code[end] == '.')) ++end;
      take(end, CodeToken::kNumber);
      continue;
    }
    ++at;
  }
  return out;
}

}  // namespace fovea::render
