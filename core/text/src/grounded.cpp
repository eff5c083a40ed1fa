#include "fovea/text/grounded.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>

namespace fovea::text {
namespace {

constexpr std::string_view kRef = "<|ref|>", kEndRef = "<|/ref|>", kDet = "<|det|>", kEndDet = "<|/det|>";
constexpr double kScale = 999;    // the last coordinate, not the number of them
constexpr size_t kMaxProblems = 1000;

struct Mark {
  size_t at;
  int kind;  // 0 ref, 1 /ref, 2 det, 3 /det
  size_t end() const { return at + (kind == 0 ? kRef : kind == 1 ? kEndRef : kind == 2 ? kDet : kEndDet).size(); }
};

std::vector<Mark> marks_of(std::string_view s) {
  std::vector<Mark> out;
  for (size_t at = s.find("<|"); at != std::string_view::npos; at = s.find("<|", at + 1)) {
    const auto rest = s.substr(at);
    const std::string_view names[] = {kRef, kEndRef, kDet, kEndDet};
    for (int kind = 0; kind < 4; ++kind)
      if (rest.substr(0, names[kind].size()) == names[kind]) out.push_back({at, kind});
  }
  return out;
}

bool is_space(char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r'; }

std::string_view trimmed(std::string_view s) {
  while (!s.empty() && is_space(s.front())) s.remove_prefix(1);
  while (!s.empty() && is_space(s.back())) s.remove_suffix(1);
  return s;
}

// Reads [[a, b, c, d], ...] from `at` on. Boxes that cannot be read are left out and named; a list that ends early keeps what it has.
class BoxList {
 public:
  BoxList(std::string_view text, size_t at, size_t end, GroundedText& out) : text_(text), at_(at), end_(end), out_(out) {}

  // Returns where it ended.
  size_t read(std::vector<GroundedBox>& boxes) {
    skip_space();
    if (!take('[')) {
      problem("a box list must begin with [");
      return at_;
    }
    skip_space();
    if (at_ < end_ && text_[at_] != '[' && text_[at_] != ']') {  // one box without the outer list
      --at_;
      while (at_ > 0 && text_[at_] != '[') --at_;
      problem("a single box without the list around it");
      read_box(boxes);
      return at_;
    }
    for (;;) {
      skip_space();
      if (at_ >= end_) {
        problem("the box list is not closed");
        return at_;
      }
      if (take(']')) return at_;
      if (text_[at_] == '[') {
        if (!read_box(boxes)) return at_;
      } else {
        problem("a box must begin with [");
        while (at_ < end_ && text_[at_] != '[' && text_[at_] != ']') ++at_;
        continue;
      }
      skip_space();
      take(',');
    }
  }

 private:
  void problem(const std::string& what) {
    if (out_.problems.size() < kMaxProblems) out_.problems.push_back({at_, what});
  }
  void skip_space() {
    while (at_ < end_ && is_space(text_[at_])) ++at_;
  }
  bool take(char c) {
    if (at_ >= end_ || text_[at_] != c) return false;
    ++at_;
    return true;
  }
  bool number(double& value) {
    const char* first = text_.data() + at_;
    if (at_ < end_ && *first == '+') ++first;
    const auto [last, error] = std::from_chars(first, text_.data() + end_, value);
    if (error != std::errc() || !std::isfinite(value)) return false;
    at_ = size_t(last - text_.data());
    return true;
  }

  // False where the list ends in the middle of a box.
  bool read_box(std::vector<GroundedBox>& boxes) {
    const size_t begin = at_++;  // the [
    std::vector<double> values;
    for (;;) {
      skip_space();
      if (at_ >= end_) {
        at_ = begin;
        problem("a box is cut off after " + std::to_string(values.size()) + " numbers");
        at_ = end_;
        return false;
      }
      if (take(']')) break;
      double value = 0;
      if (values.size() >= 64 || !number(value)) {
        const size_t bad = at_;
        while (at_ < end_ && text_[at_] != ']') ++at_;
        const size_t resume = at_ < end_ ? at_ + 1 : end_;
        at_ = bad;
        problem("a box must hold four numbers");
        at_ = resume;
        return true;
      }
      values.push_back(value);
      skip_space();
      take(',');
    }
    const size_t after = at_;
    at_ = begin;
    if (values.size() != 4) {
      problem("a box must have 4 numbers, got " + std::to_string(values.size()));
    } else {
      GroundedBox box{values[0], values[1], values[2], values[3]};
      if (*std::min_element(values.begin(), values.end()) < 0 || *std::max_element(values.begin(), values.end()) > kScale)
        problem("a box must lie within 0 to 999; it is cut to the page");
      if (box.x1 < box.x0 || box.y1 < box.y0) {
        problem("a box runs backwards; its corners are exchanged");
        if (box.x1 < box.x0) std::swap(box.x0, box.x1);
        if (box.y1 < box.y0) std::swap(box.y0, box.y1);
      }
      boxes.push_back(box);
    }
    at_ = after;
    return true;
  }

  std::string_view text_;
  size_t at_, end_;
  GroundedText& out_;
};

}  // namespace

PixelBox to_pixels(const GroundedBox& box, int64_t width_px, int64_t height_px) {
  const auto px = [](double value, int64_t side) { return int64_t(std::clamp(value, 0.0, kScale) / kScale * double(side)); };
  return {px(box.x0, width_px), px(box.y0, height_px), px(box.x1, width_px), px(box.y1, height_px)};
}

GroundedText parse_grounded(std::string_view s) {
  GroundedText out;
  const auto marks = marks_of(s);
  const auto problem = [&](size_t at, const std::string& what) {
    if (out.problems.size() < kMaxProblems) out.problems.push_back({at, what});
  };
  size_t done = 0;  // text before this is placed
  const auto place_text = [&](size_t until) {
    std::string& target = out.items.empty() ? out.lead : out.items.back().content;
    if (until > done) target.append(s.substr(done, until - done));
    done = std::max(done, until);
  };
  for (size_t m = 0; m < marks.size(); ++m) {
    const Mark& mark = marks[m];
    if (mark.at < done) continue;  // inside a box list that ran over it
    place_text(mark.at);
    const bool has_next = m + 1 < marks.size();
    if (mark.kind != 0) {
      problem(mark.at, std::string(mark.kind == 2 ? "boxes without a label" : "an end without its beginning"));
      done = mark.end();
      if (mark.kind == 2) {  // their numbers are no text
        std::vector<GroundedBox> ignored;
        const size_t limit = has_next ? marks[m + 1].at : s.size();
        const size_t end = BoxList(s, mark.end(), limit, out).read(ignored);
        if (!ignored.empty()) done = end;
        if (has_next && marks[m + 1].kind == 3 && trimmed(s.substr(done, marks[m + 1].at - done)).empty()) done = marks[++m].end();
      }
      continue;
    }
    if (!has_next || (marks[m + 1].kind != 1 && marks[m + 1].kind != 2)) {
      problem(mark.at, "a label is not closed");
      done = mark.end();  // its words stay as text
      continue;
    }
    GroundedItem item;
    item.byte_begin = mark.at;
    item.label = std::string(s.substr(mark.end(), marks[m + 1].at - mark.end()));
    size_t next = m + 1;
    if (marks[next].kind == 1) {
      item.byte_end = marks[next].end();
      ++next;
    } else {
      problem(mark.at, "a label is not closed before its boxes");
      item.byte_end = marks[next].at;
    }
    if (next < marks.size() && marks[next].kind == 2 && trimmed(s.substr(item.byte_end, marks[next].at - item.byte_end)).empty()) {
      const bool closed = next + 1 < marks.size() && marks[next + 1].kind == 3;
      const size_t limit = next + 1 < marks.size() ? marks[next + 1].at : s.size();
      const size_t begin = marks[next].end(), end = BoxList(s, begin, limit, out).read(item.boxes);
      if (closed) {
        if (!trimmed(s.substr(end, limit - end)).empty() && end > begin) problem(end, "more than boxes between <|det|> and <|/det|>");
        item.byte_end = marks[next + 1].end();
        next += 2;
      } else {
        problem(marks[next].at, "boxes are not closed");
        item.byte_end = item.boxes.empty() ? begin : end;
        next += 1;
      }
    } else {
      problem(mark.at, "a label without boxes");
    }
    done = item.byte_end;
    out.items.push_back(std::move(item));
    m = next - 1;
  }
  place_text(s.size());
  return out;
}

std::string grounded_markdown(const GroundedText& parsed, const std::function<std::string(size_t)>& link, bool collapse) {
  std::string text = parsed.lead;
  size_t number = 0;
  for (const auto& item : parsed.items) {
    if (item.label == "image")
      for (size_t box = 0; box < item.boxes.size(); ++box) text += "![](" + link(number++) + ")\n";
    text += item.content;
  }
  std::string out;
  size_t newlines = 0;
  const std::pair<std::string_view, std::string_view> symbols[] = {{"\\coloneqq", ":="}, {"\\eqqcolon", "=:"}};
  for (size_t i = 0; i < text.size();) {
    const auto rest = std::string_view(text).substr(i);
    const auto found = std::find_if(std::begin(symbols), std::end(symbols), [&](const auto& s) { return rest.substr(0, s.first.size()) == s.first; });
    if (found != std::end(symbols)) {
      out += found->second;
      i += found->first.size();
      newlines = 0;
      continue;
    }
    newlines = text[i] == '\n' ? newlines + 1 : 0;
    if (!collapse || newlines <= 2) out += text[i];
    ++i;
  }
  return out;
}

}  // namespace fovea::text
