#include "fovea/render/contact_sheet.h"

#include <algorithm>
#include <cmath>

#include "degrade_steps.h"
#include "fovea/base/error.h"
#include "fovea/render/map_picture.h"

namespace fovea::render {

namespace {

void paste(Image& out, const Image& from, int x0, int y0) {
  for (int y = 0; y < from.height_px && y0 + y < out.height_px; ++y)
    for (int x = 0; x < from.width_px && x0 + x < out.width_px; ++x)
      for (int c = 0; c < 3; ++c) out.row(y0 + y)[3 * (x0 + x) + c] = from.row(y)[x * from.channels + (from.channels == 3 ? c : 0)];
}

// The label's lines below each other, no wider than the cell: smaller type, then cut.
std::vector<Image> label_lines(const std::string& label, int width_px, double size_px, const Renderer& renderer) {
  std::vector<Image> out;
  for (size_t begin = 0; begin <= label.size();) {
    const size_t end = std::min(label.find('\n', begin), label.size());
    double size = size_px;
    Image line = draw_label(label.substr(begin, end - begin), size, renderer);
    while (line.width_px > width_px && size > 8) line = draw_label(label.substr(begin, end - begin), --size, renderer);
    out.push_back(std::move(line));
    begin = end + 1;
  }
  return out;
}

}  // namespace

Image contact_sheet(const std::vector<ContactCell>& cells, int columns, int cell_px, const std::string& title, const Renderer& renderer) {
  if (columns < 1 || cell_px < 1)
    throw ConfigError("[contact_sheet] columns and cell_px must be at least 1, got " + std::to_string(columns) + " and " + std::to_string(cell_px));
  constexpr int kGap = 10, kFrame = 1;
  constexpr uint8_t kDesk = 225;
  const int num_columns = std::min<int>(columns, std::max<int>(1, int(cells.size())));
  const int num_rows = int((cells.size() + size_t(num_columns) - 1) / size_t(num_columns));
  std::vector<Image> pictures;
  std::vector<std::vector<Image>> labels;
  std::vector<int> row_label(size_t(num_rows), 0), row_picture(size_t(num_rows), 0), column_width(size_t(num_columns), 1);
  for (size_t i = 0; i < cells.size(); ++i) {
    const Image& from = cells[i].image;
    Image picture = Image::filled(1, 1, 1, 255);
    if (!from.pixels.empty()) {
      const double scale = std::min({1.0, double(cell_px) / from.width_px, double(cell_px) / from.height_px});
      picture = resize(from, std::max(1, int(std::lround(from.width_px * scale))), std::max(1, int(std::lround(from.height_px * scale))));
    }
    const size_t row = i / size_t(num_columns), column = i % size_t(num_columns);
    labels.push_back(label_lines(cells[i].label, std::max(picture.width_px, cell_px / 2), 14, renderer));
    int label_height = 0, label_width = 0;
    for (const Image& line : labels.back()) label_height += line.height_px, label_width = std::max(label_width, std::min(line.width_px, cell_px));
    row_label[row] = std::max(row_label[row], label_height);
    row_picture[row] = std::max(row_picture[row], picture.height_px);
    column_width[column] = std::max({column_width[column], picture.width_px, label_width});
    pictures.push_back(std::move(picture));
  }
  const Image head = draw_label(title, 18, renderer);
  int64_t width = kGap, height = 2 * kGap + head.height_px;
  for (int w : column_width) width += w + kGap + 2 * kFrame;
  for (int r = 0; r < num_rows; ++r) height += row_label[size_t(r)] + row_picture[size_t(r)] + 2 * kGap;
  width = std::max<int64_t>(width, head.width_px + 2 * kGap);
  if (width * height > int64_t(1) << 28)
    throw ConfigError("[contact_sheet] " + std::to_string(cells.size()) + " pages at cell_px=" + std::to_string(cell_px) + " make a picture of " + std::to_string(width) + " x " +
                      std::to_string(height) + " px; use smaller cells");
  Image out = Image::filled(int(width), int(height), 3, kDesk);
  const auto stamp = [&](const Image& label, int x0, int y0, int most) {
    for (int y = 0; y < label.height_px; ++y)
      for (int x = 0; x < std::min(label.width_px, most); ++x)
        for (int c = 0; c < 3; ++c) {
          uint8_t& to = out.row(y0 + y)[3 * (x0 + x) + c];
          to = uint8_t(to * label.row(y)[x] / 255);
        }
  };
  stamp(head, kGap, kGap, head.width_px);
  int y = head.height_px + 2 * kGap;
  for (int r = 0; r < num_rows; ++r) {
    int x = kGap;
    for (int c = 0; c < num_columns; ++c) {
      const size_t i = size_t(r * num_columns + c);
      if (i >= cells.size()) break;
      int label_y = y;
      for (const Image& line : labels[i]) {
        stamp(line, x, label_y, column_width[size_t(c)]);
        label_y += line.height_px;
      }
      const Image frame = Image::filled(pictures[i].width_px + 2 * kFrame, pictures[i].height_px + 2 * kFrame, 1, 120);
      paste(out, frame, x, y + row_label[size_t(r)]);
      paste(out, pictures[i], x + kFrame, y + row_label[size_t(r)] + kFrame);
      x += column_width[size_t(c)] + kGap + 2 * kFrame;
    }
    y += row_label[size_t(r)] + row_picture[size_t(r)] + 2 * kGap;
  }
  return out;
}

}  // namespace fovea::render
