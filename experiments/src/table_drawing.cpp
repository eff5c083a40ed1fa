#include "fovea/experiments/table_drawing.h"

#include <algorithm>
#include <cctype>
#include <cmath>

#include "fovea/base/error.h"
#include "fovea/base/utf8.h"

namespace fovea::experiments {
namespace {

std::string number_text(Rng& rng) {
  const auto digits = [&](uint64_t most) {
    std::string out(1, char('1' + rng.below(9)));
    for (uint64_t i = rng.below(most); i > 0; --i) out += char('0' + rng.below(10));
    return out;
  };
  switch (rng.below(6)) {
    case 0: return digits(3) + "." + std::string(1, char('0' + rng.below(10))) + char('0' + rng.below(10));
    case 1: return digits(2) + "." + char('0' + rng.below(10)) + " %";
    case 2: return "-" + digits(3);
    case 3: return "(" + digits(3) + ")";
    default: return digits(5);
  }
}

std::string words_text(const std::vector<std::string>& words, double chars, Rng& rng) {
  const double wanted = chars * rng.uniform(0.5, 1.5);
  std::string out;
  do out += (out.empty() ? "" : " ") + words[rng.below(words.size())];
  while (double(out.size()) < wanted);
  return out;
}

std::vector<TableCell> make_cells(const TableConfig& c, const std::vector<std::string>& words, int64_t rows, int64_t columns, bool may_join, Rng& rng) {
  std::vector<std::vector<bool>> taken(static_cast<size_t>(rows), std::vector<bool>(static_cast<size_t>(columns), false));
  const bool spans = rng.chance(c.span_share) && may_join;
  std::vector<bool> numeric(static_cast<size_t>(columns));
  for (size_t i = 0; i < numeric.size(); ++i) numeric[i] = rng.chance(c.number_share);
  std::vector<TableCell> cells;
  for (int64_t r = 0; r < rows; ++r)
    for (int64_t k = 0; k < columns; ++k) {
      if (taken[size_t(r)][size_t(k)]) continue;
      TableCell cell{r, k, 1, 1, ""};
      if (spans && rng.chance(0.15)) {
        if (rng.chance(0.6)) {
          while (k + cell.columns < columns && !taken[size_t(r)][size_t(k + cell.columns)] && cell.columns < 3 && rng.chance(0.7)) ++cell.columns;
        } else {
          while (r + cell.rows < rows && cell.rows < 3 && rng.chance(0.7)) ++cell.rows;
        }
      }
      for (int64_t i = 0; i < cell.rows; ++i)
        for (int64_t j = 0; j < cell.columns; ++j) taken[size_t(r + i)][size_t(k + j)] = true;
      if (!rng.chance(c.empty_share)) cell.text = r > 0 && numeric[size_t(k)] ? number_text(rng) : words_text(words, c.word_chars, rng);
      cells.push_back(std::move(cell));
    }
  return cells;
}

std::string opening(const TableCell& cell) {
  std::string out = "<td";
  if (cell.columns > 1) out += " colspan=\"" + std::to_string(cell.columns) + "\"";
  if (cell.rows > 1) out += " rowspan=\"" + std::to_string(cell.rows) + "\"";
  return out + ">";
}

std::string escaped(char32_t c) {
  if (c == U'&') return "&amp;";
  if (c == U'<') return "&lt;";
  if (c == U'>') return "&gt;";
  return to_utf8(std::u32string(1, c));
}

void draw_rule(Image& image, int64_t x0, int64_t y0, int64_t x1, int64_t y1, uint8_t gray) {
  for (int64_t y = std::max<int64_t>(0, y0); y < std::min<int64_t>(y1, image.height_px); ++y)
    for (int64_t x = std::max<int64_t>(0, x0); x < std::min<int64_t>(x1, image.width_px); ++x) image.row(int(y))[x] = std::min(image.row(int(y))[x], gray);
}

// Places of the cells' text in a given type; false if the table is higher than the page.
struct Layout {
  std::vector<int64_t> x, y;  // borders: columns + 1, rows + 1
  std::vector<render::Page> pages;
};

bool lay_out(const std::vector<TableCell>& cells, int64_t rows, int64_t columns, const std::vector<double>& shares, int64_t left, int64_t top, int64_t width, int64_t height, int64_t pad,
             render::Style style, const render::Renderer& renderer, Layout& out) {
  out = {};
  out.x.push_back(left);
  double sum = 0;
  for (int64_t k = 0; k < columns; ++k) sum += shares[size_t(k)], out.x.push_back(left + std::llround(double(width) * sum));
  std::vector<int64_t> needed(static_cast<size_t>(rows), std::llround(style.font_size_px * 1.2) + 2 * pad);
  for (const auto& cell : cells) {
    const int64_t inner = out.x[size_t(cell.column + cell.columns)] - out.x[size_t(cell.column)] - 2 * pad - 1;
    if (inner < 6) return false;
    style.width_px = inner;
    style.height_px = height;
    style.margin_left_px = style.margin_right_px = style.margin_top_px = style.margin_bottom_px = 0;
    if (cell.text.empty()) {
      out.pages.emplace_back();
      continue;
    }
    out.pages.push_back(renderer.render(cell.text, style));
    const auto& page = out.pages.back();
    if (page.report.num_bytes_left_out > 0 || page.lines.empty()) return false;
    // A word wider than its cell is broken between letters: the type is too large then.
    for (size_t l = 0; l + 1 < page.lines.size(); ++l)
      if (page.lines[l].byte_end < page.text.size() && page.text[page.lines[l].byte_end] != ' ') return false;
    if (cell.rows == 1) needed[size_t(cell.row)] = std::max<int64_t>(needed[size_t(cell.row)], page.lines.back().bottom_px + 2 * pad);
  }
  for (size_t i = 0; i < cells.size(); ++i) {
    const auto& cell = cells[i];
    if (cell.rows == 1 || out.pages[i].lines.empty()) continue;
    int64_t have = 0;
    for (int64_t r = cell.row; r < cell.row + cell.rows; ++r) have += needed[size_t(r)];
    needed[size_t(cell.row + cell.rows - 1)] += std::max<int64_t>(0, out.pages[i].lines.back().bottom_px + 2 * pad - have);
  }
  out.y.push_back(top);
  for (int64_t r = 0; r < rows; ++r) out.y.push_back(out.y.back() + needed[size_t(r)] + 1);
  return out.y.back() < top + height;
}

}  // namespace

std::string table_html(const std::vector<TableCell>& cells) {
  std::string out = "<table>";
  int64_t row = -1;
  for (const auto& cell : cells) {
    for (; row < cell.row; ++row) out += row < 0 ? "<tr>" : "</tr><tr>";
    out += opening(cell);
    for (char32_t c : to_code_points(cell.text)) out += escaped(c);
    out += "</td>";
  }
  return out + "</tr></table>";
}

std::vector<std::string> words_for_tables(const std::string& text) {
  std::vector<std::string> out;
  std::string word;
  const auto is_letter = [](unsigned char c) { return std::isalnum(c) || c >= 0x80; };
  for (size_t i = 0; i <= text.size() && out.size() < 200'000; ++i) {
    if (i < text.size() && is_letter(static_cast<unsigned char>(text[i]))) {
      word += text[i];
      continue;
    }
    if (word.size() >= 2 && word.size() <= 14 && std::all_of(word.begin(), word.end(), [](unsigned char c) { return c < 0x80; })) out.push_back(word);
    word.clear();
  }
  return out;
}

DrawnTable draw_table(const TableConfig& config, const std::vector<std::string>& words, int64_t side_px, uint64_t seed, const render::Renderer& renderer) {
  if (config.min_rows > config.max_rows || config.min_columns > config.max_columns) throw ConfigError("[tables] min_rows and min_columns must not be above max_rows and max_columns");
  if (words.empty()) throw ConfigError("[tables] there are no words to fill cells with");
  if (config.fonts.empty()) throw ConfigError("[tables] fonts must name at least one family");
  Rng rng(seed, 41);
  int64_t rows = config.min_rows + int64_t(rng.below(uint64_t(config.max_rows - config.min_rows + 1)));
  const int64_t columns = config.min_columns + int64_t(rng.below(uint64_t(config.max_columns - config.min_columns + 1)));
  render::Style style;
  style.font = config.fonts[rng.below(config.fonts.size())];
  const double largest = rng.uniform(config.min_font_px, std::max(config.min_font_px, double(side_px) / 16));
  const int64_t pad = 1 + int64_t(rng.below(4)), margin = 3 + int64_t(rng.below(uint64_t(std::max<int64_t>(1, side_px / 20))));
  const double width_share = rng.uniform(0.75, 1.0);
  const int64_t width = int64_t(double(side_px - 2 * margin) * width_share), height = side_px - 2 * margin;
  const int rules = rng.chance(config.rules_share) ? 2 : int(rng.below(2));  // 2 all, 1 under rows, 0 around the head alone
  const uint8_t rule_gray = uint8_t(rng.below(140));
  std::vector<double> shares;
  double sum = 0;
  for (int64_t k = 0; k < columns; ++k) shares.push_back(rng.uniform(0.7, 1.4)), sum += shares.back();
  for (double& share : shares) share /= sum;

  DrawnTable out;
  Layout layout;
  for (uint64_t attempt = 0;; ++attempt) {
    Rng of_cells(seed, 42, attempt);
    out.cells = make_cells(config, words, rows, columns, /*may_join=*/rules == 2, of_cells);  // without rules nobody could see it
    bool fits = false;
    for (double size = std::floor(2 * largest) / 2; size >= config.min_font_px && !fits; size -= 0.5) {
      style.font_size_px = size;
      fits = lay_out(out.cells, rows, columns, shares, margin, margin, width, height, pad, style, renderer, layout);
    }
    if (fits) break;
    if (rows > 1) --rows;
    if (attempt > 200) throw ConfigError("[tables] no table of " + std::to_string(columns) + " columns fits " + std::to_string(side_px) + " px in type of " + std::to_string(config.min_font_px) + " px");
  }
  out.font_size_px = style.font_size_px;
  out.image = Image::filled(int(side_px), int(side_px), 1, 255);
  const auto put = [&](const std::string& bytes, int64_t x, int64_t y) {
    for (size_t i = 0; i < bytes.size(); ++i) out.x_px.push_back(int16_t(x)), out.y_px.push_back(int16_t(y));
    out.html += bytes;
  };
  put("<table>", layout.x.front(), layout.y.front());
  int64_t row = -1;
  for (size_t i = 0; i < out.cells.size(); ++i) {
    const auto& cell = out.cells[i];
    const int64_t left = layout.x[size_t(cell.column)] + pad + 1, top = layout.y[size_t(cell.row)] + pad;
    const auto& page = layout.pages[i];
    for (; row < cell.row; ++row) put(row < 0 ? "<tr>" : "</tr><tr>", layout.x.front(), layout.y[size_t(cell.row)] + pad + std::llround(style.font_size_px / 2));
    int64_t x = left, y = top + std::llround(style.font_size_px / 2);
    put(opening(cell), x, y);
    for (int py = 0; py < page.image.height_px; ++py) {
      const int64_t to_y = top + py;
      if (to_y >= side_px) break;
      for (int px = 0; px < page.image.width_px && left + px < side_px; ++px) out.image.row(int(to_y))[left + px] = std::min(out.image.row(int(to_y))[left + px], page.image.row(py)[px]);
    }
    size_t next = 0;
    for (size_t at = 0; at < page.text.size();) {
      const size_t begin = at;
      const char32_t c = next_code_point(page.text, at);
      while (next < page.chars.size() && page.chars[next].byte_offset < begin) ++next;
      if (next < page.chars.size() && page.chars[next].byte_offset == begin) {
        const auto& box = page.chars[next];
        const auto& line = page.lines[box.line];
        x = left + (box.cell_x0_px + box.cell_x1_px) / 2;
        y = top + (line.top_px + line.bottom_px) / 2;
        if (box.x1_px > box.x0_px) out.glyph_char.push_back(uint32_t(c)), out.glyph_x_px.push_back(int16_t(x)), out.glyph_y_px.push_back(int16_t(y));
      }
      put(escaped(c), x, y);
    }
    put("</td>", x, y);
  }
  put("</tr></table>", layout.x.back(), layout.y.back());
  const int64_t right = layout.x.back();
  if (rules == 2) {
    for (const auto& cell : out.cells) {
      const int64_t x0 = layout.x[size_t(cell.column)], x1 = layout.x[size_t(cell.column + cell.columns)], y0 = layout.y[size_t(cell.row)], y1 = layout.y[size_t(cell.row + cell.rows)];
      draw_rule(out.image, x0, y0, x1 + 1, y0 + 1, rule_gray);
      draw_rule(out.image, x0, y0, x0 + 1, y1 + 1, rule_gray);
      draw_rule(out.image, x0, y1, x1 + 1, y1 + 1, rule_gray);
      draw_rule(out.image, x1, y0, x1 + 1, y1 + 1, rule_gray);
    }
  } else {
    for (size_t r = 0; r < layout.y.size(); ++r)
      if (rules == 1 || r < 2 || r + 1 == layout.y.size()) {
        // Not through cells that are joined over rows.
        for (int64_t k = 0; k < columns; ++k) {
          const bool inside = std::any_of(out.cells.begin(), out.cells.end(), [&](const TableCell& c) { return c.column <= k && k < c.column + c.columns && c.row < int64_t(r) && int64_t(r) < c.row + c.rows; });
          if (!inside) draw_rule(out.image, layout.x[size_t(k)], layout.y[r], std::min(right, layout.x[size_t(k + 1)]) + 1, layout.y[r] + 1, rule_gray);
        }
      }
  }
  return out;
}

}  // namespace fovea::experiments
