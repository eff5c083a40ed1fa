#include "html.h"

#include <algorithm>
#include <unordered_map>

#include "fovea/metrics/table.h"
#include "fovea/metrics/unicode_text.h"

namespace fovea::metrics {
namespace {

using View = std::u32string_view;
using Text = std::u32string;

const std::unordered_map<View, View>& entities() {
  static const std::unordered_map<View, View> table = {
#include "html_entities.inc"
  };
  return table;
}

bool is_void(View tag) {
  static constexpr View kTags[] = {U"area", U"base", U"br", U"col", U"embed", U"hr", U"img", U"input", U"link", U"meta", U"param", U"source", U"track", U"wbr"};
  return std::find(std::begin(kTags), std::end(kTags), tag) != std::end(kTags);
}

bool is_letter(char32_t c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }

// libxml2 knows a named reference by its semicolon only.
Text unescape_closed(View text) {
  Text out;
  for (size_t i = 0; i < text.size();) {
    size_t end = i + 1;
    if (text[i] == '&')
      while (end < text.size() && end - i <= 32 && View(U"\t\n\f <&;").find(text[end]) == View::npos) ++end;
    if (text[i] == '&' && end < text.size() && (text[end] == ';' || (i + 1 < text.size() && text[i + 1] == '#'))) {
      out += unescape_html(text.substr(i, end + 1 - i));
      i = end + 1;
    } else {
      out += text[i++];
    }
  }
  return out;
}

class Reader {
 public:
  Reader(View in, bool close_cells) : in_(in), close_cells_(close_cells) {}

  HtmlNode run() {
    open_.push_back({});
    while (at_ < in_.size()) {
      if (in_[at_] != '<' || !markup()) text();
    }
    while (open_.size() > 1) close_last();
    return std::move(open_.front());
  }

 private:
  void text() {
    const size_t begin = at_++;
    while (at_ < in_.size() && in_[at_] != '<') ++at_;
    const View raw = in_.substr(begin, at_ - begin);
    // BeautifulSoup keeps of blanks alone one newline or one space
    if (!close_cells_ && raw.find_first_not_of(U" \n\t\f\r") == View::npos) append_text(raw.find(U'\n') == View::npos ? U" " : U"\n");
    else append_text(close_cells_ ? unescape_closed(raw) : unescape_html(raw));
  }
  void append_text(Text text) {
    auto& children = open_.back().children;
    if (!children.empty() && children.back().tag.empty() && !children.back().verbatim) children.back().text += text;
    else children.push_back({{}, std::move(text), false, {}, {}});
  }
  void close_last() {
    HtmlNode done = std::move(open_.back());
    open_.pop_back();
    open_.back().children.push_back(std::move(done));
  }
  void close(View tag) {
    for (size_t k = open_.size(); k-- > 1;) {
      if (open_[k].tag != tag) continue;
      while (open_.size() > k) close_last();
      return;
    }
  }
  // Ends an open element of one of `tags`, unless a table stands between.
  void close_open(std::initializer_list<View> tags) {
    for (size_t k = open_.size(); k-- > 1;) {
      if (open_[k].tag == U"table") return;
      if (std::find(tags.begin(), tags.end(), View(open_[k].tag)) == tags.end()) continue;
      while (open_.size() > k) close_last();
      return;
    }
  }

  bool markup() {
    const size_t n = in_.size();
    if (in_.substr(at_, 4) == U"<!--") {
      const size_t end = std::min(in_.find(U"-->", at_ + 4), n);
      verbatim(std::min(n, end + 3));
      return true;
    }
    if (at_ + 1 < n && (in_[at_ + 1] == '!' || in_[at_ + 1] == '?')) {
      verbatim(std::min(n, in_.find(U'>', at_) == View::npos ? n : in_.find(U'>', at_) + 1));
      return true;
    }
    const bool ends = at_ + 1 < n && in_[at_ + 1] == '/';
    size_t at = at_ + 1 + ends;
    if (at >= n || !is_letter(in_[at])) return false;
    Text tag;
    while (at < n && !is_space(in_[at]) && in_[at] != '>' && in_[at] != '/') tag += in_[at++];
    tag = lower(tag);
    if (ends) {
      const size_t stop = in_.find(U'>', at);
      if (stop == View::npos) return false;
      at_ = stop + 1;
      close(tag);
      return true;
    }
    HtmlNode node;
    node.tag = tag;
    bool self_closing = false;
    while (true) {
      while (at < n && (is_space(in_[at]) || in_[at] == '/')) self_closing = in_[at++] == '/';
      if (at >= n) return false;
      if (in_[at] == '>') break;
      self_closing = false;
      Text name;
      while (at < n && !is_space(in_[at]) && in_[at] != '=' && in_[at] != '>' && in_[at] != '/') name += in_[at++];
      size_t after = at;
      while (after < n && is_space(in_[after])) ++after;
      Text value;
      if (after < n && in_[after] == '=') {
        at = after + 1;
        while (at < n && is_space(in_[at])) ++at;
        if (at < n && (in_[at] == '"' || in_[at] == '\'')) {
          const size_t end = in_.find(in_[at], at + 1);
          if (end == View::npos) return false;
          value = unescape_html(in_.substr(at + 1, end - at - 1));
          at = end + 1;
        } else {
          const size_t begin = at;
          while (at < n && !is_space(in_[at]) && in_[at] != '>') ++at;
          value = unescape_html(in_.substr(begin, at - begin));
        }
      } else if (name.empty()) {
        ++at;
        continue;
      }
      name = lower(name);
      const auto same = std::find_if(node.attributes.begin(), node.attributes.end(), [&](const auto& pair) { return pair.first == name; });
      if (same == node.attributes.end()) node.attributes.emplace_back(name, value);
      else same->second = value;
    }
    at_ = at + 1;
    if (close_cells_) {
      if (tag == U"td" || tag == U"th") close_open({U"td", U"th"});
      if (tag == U"tr" || tag == U"tbody" || tag == U"thead" || tag == U"tfoot") close_open({U"td", U"th"}), close_open({U"tr"});
    }
    open_.push_back(std::move(node));
    if (self_closing || is_void(tag)) close_last();
    return true;
  }
  void verbatim(size_t end) {
    open_.back().children.push_back({{}, Text(in_.substr(at_, end - at_)), true, {}, {}});
    at_ = end;
  }

  View in_;
  bool close_cells_;
  size_t at_ = 0;
  std::vector<HtmlNode> open_;
};

}  // namespace

const std::u32string* HtmlNode::attribute(std::u32string_view name) const {
  for (const auto& pair : attributes)
    if (pair.first == name) return &pair.second;
  return nullptr;
}

HtmlNode parse_html(std::u32string_view html, bool close_cells) { return Reader(html, close_cells).run(); }

std::u32string unescape_html(std::u32string_view text) {
  if (text.find(U'&') == View::npos) return Text(text);
  Text out;
  for (size_t i = 0; i < text.size();) {
    if (text[i] != '&') {
      out += text[i++];
      continue;
    }
    size_t end = i + 1;
    if (end < text.size() && text[end] == '#') {
      const bool hex = end + 1 < text.size() && (text[end + 1] == 'x' || text[end + 1] == 'X');
      size_t at = end + 1 + hex;
      uint32_t value = 0;
      const size_t digits = at;
      const auto digit = [&](char32_t c) -> int {
        if (c >= '0' && c <= '9') return int(c - '0');
        if (hex && c >= 'a' && c <= 'f') return int(c - 'a' + 10);
        if (hex && c >= 'A' && c <= 'F') return int(c - 'A' + 10);
        return -1;
      };
      while (at < text.size() && digit(text[at]) >= 0) value = std::min<uint32_t>(0x110000, value * (hex ? 16 : 10) + uint32_t(digit(text[at]))), ++at;
      if (at == digits) {
        out += text[i++];
        continue;
      }
      if (at < text.size() && text[at] == ';') ++at;
      if (value == 0 || (value >= 0xD800 && value < 0xE000) || value > 0x10FFFF) out += U'\uFFFD';
      else out += char32_t(value);
      i = at;
      continue;
    }
    while (end < text.size() && end - i <= 32 && View(U"\t\n\f <&#;").find(text[end]) == View::npos) ++end;
    if (end < text.size() && text[end] == ';') ++end;
    View name = text.substr(i + 1, end - i - 1);
    auto found = entities().find(name);
    while (found == entities().end() && name.size() > 2) {
      name.remove_suffix(1);
      found = entities().find(name);
    }
    if (found == entities().end() || name.size() < 2) {
      out += text[i++];
    } else {
      out += found->second;
      i += 1 + name.size();
    }
  }
  return out;
}

}  // namespace fovea::metrics
