// Vector output: pages as PDF or SVG, the text selectable.
#pragma once
#include <memory>
#include <span>
#include <string>

#include "fovea/base/config.h"
#include "fovea/render/page.h"

namespace fovea::render {

/// Pages need their draw list: render them with style.keep_draw_list = true. Glyphs stand where layout put them, unhinted and not
/// snapped to pixels; a page of hinting = none and subpixel_positions = 8 is what a viewer shows of the file at `dpi`. Gray pages give
/// gray files. The same pages give the same bytes (no date, no names of the machine).
struct VectorOptions {
  double dpi = 72;  ///< pixels of the page an inch of paper: 72 makes a pixel a point

  template <class V> void visit_fields(V& v) {
    v.field("dpi", dpi, "pixels of the page an inch of paper", {.min = 1, .max = 9600});
  }
};

/// A PDF file, page by page; memory holds the fonts used and one page. Characters, spaces and reading order are kept in it: select, copy and
/// search give the source's text. Letters are embedded fonts (TrueType or CFF, written anew by
/// HarfBuzz; drawn shapes where it cannot), colour glyphs pictures, glyphs of bitmap fonts squares.
class PdfWriter {
 public:
  /// Errors: IoError if the file cannot be opened; ConfigError (options).
  explicit PdfWriter(const std::string& path, const VectorOptions& options = {});
  /// Writes what is there, as finish does, but errors are lost.
  ~PdfWriter();
  PdfWriter(const PdfWriter&) = delete;
  PdfWriter& operator=(const PdfWriter&) = delete;

  /// Errors: ConfigError (no draw list); ShapeError (it does not match the page); RenderError (Cairo's).
  void add(const Page& page);
  /// Ends the file; no page may be added after. It appears under its name only now. Errors: IoError, RenderError, ConfigError (no page).
  void finish();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

/// The bytes of a PDF of these pages. Errors: as PdfWriter.
std::string to_pdf(std::span<const Page> pages, const VectorOptions& options = {});
/// The bytes of an SVG picture: outlines, and over them every line as transparent text, character by character in its place, to select.
/// Errors: as PdfWriter.
std::string to_svg(const Page& page, const VectorOptions& options = {});

}  // namespace fovea::render
