#include <pybind11/numpy.h>
#include <pybind11/stl.h>

#include "bindings.h"
#include "fovea/render/renderer.h"
#include "fovea/render/vector.h"
#include "render_arrays.h"
#include "render_gate.h"

namespace fovea::python {

namespace {

// A view of int16 members of CharBox and PageLine, which lie beside each other.
template <class T> py::array view_int16(const py::object& owner, std::vector<T>& items, int16_t T::*first, ssize_t count) {
  int16_t* data = items.empty() ? nullptr : &(items[0].*first);
  static int16_t none = 0;
  return py::array(py::dtype::of<int16_t>(), {ssize_t(items.size()), count}, {ssize_t(sizeof(T)), ssize_t(sizeof(int16_t))}, data ? data : &none, owner);
}

// All of a vector of structs as a structured array; a view.
template <class T> py::array view_rows(const py::object& owner, std::vector<T>& items) {
  static T none{};
  return py::array(py::dtype::of<T>(), {ssize_t(items.size())}, {ssize_t(sizeof(T))}, items.empty() ? &none : items.data(), owner);
}

py::bytes png_of(const Image& image) {
  std::vector<uint8_t> bytes;
  {
    py::gil_scoped_release release;
    bytes = encode_png(image);
  }
  return py::bytes(reinterpret_cast<const char*>(bytes.data()), bytes.size());
}

}  // namespace

void bind_render(py::module_& m) {
  using namespace render;
  bind_config<Style>(m);
  PYBIND11_NUMPY_DTYPE(CharBox, byte_offset, line, x0_px, y0_px, x1_px, y1_px, cell_x0_px, cell_x1_px, column, channel, right_to_left);
  PYBIND11_NUMPY_DTYPE(PageLine, byte_begin, byte_end, top_px, baseline_px, bottom_px, hard_break, right_to_left, vertical, column, start_px, end_px, channel);
  PYBIND11_NUMPY_DTYPE(Decoration, x0_px, y0_px, x1_px, y1_px);

  py::class_<TextSpan>(m, "TextSpan", "Other type or colour for bytes [byte_begin, byte_end) of a StyledText; empty or zero: as around it.")
      .def(py::init<>())
      .def_readwrite("byte_begin", &TextSpan::byte_begin)
      .def_readwrite("byte_end", &TextSpan::byte_end)
      .def_readwrite("font", &TextSpan::font)
      .def_readwrite("font_size_px", &TextSpan::font_size_px)
      .def_readwrite("font_scale", &TextSpan::font_scale)
      .def_readwrite("color", &TextSpan::color, "#rrggbb")
      .def_readwrite("background", &TextSpan::background, "#rrggbb")
      .def_readwrite("bold", &TextSpan::bold)
      .def_readwrite("italic", &TextSpan::italic)
      .def_readwrite("underline", &TextSpan::underline)
      .def_readwrite("strike", &TextSpan::strike);
  py::class_<ParagraphStyle>(m, "ParagraphStyle", "Attributes of the paragraphs that begin in bytes [byte_begin, byte_end) of a StyledText.")
      .def(py::init<>())
      .def_readwrite("byte_begin", &ParagraphStyle::byte_begin)
      .def_readwrite("byte_end", &ParagraphStyle::byte_end)
      .def_readwrite("align", &ParagraphStyle::align)
      .def_readwrite("direction", &ParagraphStyle::direction)
      .def_readwrite("first_line_indent_px", &ParagraphStyle::first_line_indent_px)
      .def_readwrite("indent_left_px", &ParagraphStyle::indent_left_px)
      .def_readwrite("indent_right_px", &ParagraphStyle::indent_right_px)
      .def_readwrite("space_before_px", &ParagraphStyle::space_before_px)
      .def_readwrite("space_after_px", &ParagraphStyle::space_after_px)
      .def_readwrite("background", &ParagraphStyle::background)
      .def_readwrite("bar_color", &ParagraphStyle::bar_color)
      .def_readwrite("bar_px", &ParagraphStyle::bar_px)
      .def_readwrite("rule_below", &ParagraphStyle::rule_below)
      .def_readwrite("keep_spaces", &ParagraphStyle::keep_spaces);
  py::class_<StyledText>(m, "StyledText", "Text with spans and paragraphs of different looks; fovea.styled makes one from pieces, markdown_to_styled_text from Markdown.")
      .def(py::init([](std::string text, std::vector<TextSpan> spans, std::vector<ParagraphStyle> paragraphs) {
             StyledText out;
             out.text = std::move(text), out.spans = std::move(spans), out.paragraphs = std::move(paragraphs);
             return out;
           }),
           py::arg("text") = "", py::arg("spans") = std::vector<TextSpan>{}, py::arg("paragraphs") = std::vector<ParagraphStyle>{})
      .def_readwrite("text", &StyledText::text)
      .def_readwrite("spans", &StyledText::spans)
      .def_readwrite("paragraphs", &StyledText::paragraphs)
      .def_readonly("source", &StyledText::source)
      .def("__repr__", [](const StyledText& t) {
        return "<fovea.StyledText " + std::to_string(t.text.size()) + " bytes, " + std::to_string(t.spans.size()) + " spans, " + std::to_string(t.paragraphs.size()) + " paragraphs>";
      });

  py::class_<PageReport>(m, "PageReport")
      .def_readonly("font_family", &PageReport::font_family)
      .def_readonly("font_size_px", &PageReport::font_size_px)
      .def_readonly("num_missing_glyphs", &PageReport::num_missing_glyphs)
      .def_readonly("missing_example", &PageReport::missing_example)
      .def_readonly("num_bytes_left_out", &PageReport::num_bytes_left_out)
      .def_readonly("fill_ratio", &PageReport::fill_ratio)
      .def_readonly("fallback_families", &PageReport::fallback_families, "Other fonts that were used.")
      .def_readonly("num_fallback_glyphs", &PageReport::num_fallback_glyphs)
      .def_readonly("num_control_chars", &PageReport::num_control_chars)
      .def_readonly("num_clipped_glyphs", &PageReport::num_clipped_glyphs)
      .def_readonly("notes", &PageReport::notes, "What could not be done as asked.")
      .def("__repr__", [](const PageReport& r) {
        return "PageReport(font_family='" + r.font_family + "', font_size_px=" + py::str(py::float_(r.font_size_px)).cast<std::string>() +
               ", num_missing_glyphs=" + std::to_string(r.num_missing_glyphs) + ", num_bytes_left_out=" + std::to_string(r.num_bytes_left_out) + ")";
      });

  py::class_<Image>(m, "Image", "8-bit gray or RGB pixels; NumPy sees them without a copy.")
      .def_property_readonly("pixels", [](py::object self) { return pixels_of(self, self.cast<Image&>()); })
      .def("__array__",
           [](py::object self, const py::args&, const py::kwargs& kwargs) {
             return py::module_::import("numpy").attr("array")(pixels_of(self, self.cast<Image&>()), **kwargs);
           })
      .def("_repr_png_", [](const Image& image) { return png_of(image); })
      .def("__repr__", [](const Image& i) {
        return "<fovea.Image " + std::to_string(i.width_px) + " x " + std::to_string(i.height_px) + " px, " + std::to_string(i.channels) + " channels>";
      })
      .def("save", [](const Image& image, const std::string& path) { write_png(image, path); }, py::arg("path"), py::call_guard<py::gil_scoped_release>());

  py::class_<Page>(m, "Page", "What the renderer makes: pixels, and for every character where its ink is. Arrays are views, not copies.")
      .def_property_readonly("pixels", [](py::object self) { return pixels_of(self, self.cast<Page&>().image); }, "uint8 [height, width], 255 white.")
      .def("__array__",
           [](py::object self, const py::args& args, const py::kwargs& kwargs) {
             py::dict options(kwargs);
             if (args.size() > 0) options["dtype"] = args[0];
             if (options.contains("copy") && options["copy"].is_none()) options["copy"] = false;
             if (!options.contains("copy")) options["copy"] = false;
             const bool converts = options.contains("dtype") && !options["dtype"].is_none() &&
                                   !py::dtype::from_args(options["dtype"]).is(py::dtype::of<uint8_t>());
             if (converts) options["copy"] = true;
             return py::module_::import("numpy").attr("array")(pixels_of(self, self.cast<Page&>().image), **options);
           })
      .def_property_readonly("text", [](const Page& page) { return page.text; }, "The source text that is on the page.")
      .def_property_readonly("visual_text", [](const Page& page) { return visual_text(page); }, "The text by visual lines.")
      .def_property_readonly("boxes", [](py::object self) { return view_int16(self, self.cast<Page&>().chars, &CharBox::x0_px, 4); },
                             "int16 [characters, 4]: x0, y0, x1, y1 of each character's ink in px; empty where there is none.")
      .def_property_readonly("cells", [](py::object self) { return view_int16(self, self.cast<Page&>().chars, &CharBox::cell_x0_px, 2); },
                             "int16 [characters, 2]: pen before and after each character in px.")
      .def_property_readonly("char_lines",
                             [](py::object self) {
                               auto& chars = self.cast<Page&>().chars;
                               static uint32_t none = 0;
                               return py::array(py::dtype::of<uint32_t>(), {ssize_t(chars.size())}, {ssize_t(sizeof(CharBox))}, chars.empty() ? &none : &chars[0].line, self);
                             },
                             "uint32 [characters]: line of each character.")
      .def_property_readonly("byte_offsets",
                             [](py::object self) {
                               auto& chars = self.cast<Page&>().chars;
                               static uint32_t none = 0;
                               return py::array(py::dtype::of<uint32_t>(), {ssize_t(chars.size())}, {ssize_t(sizeof(CharBox))},
                                                chars.empty() ? &none : &chars[0].byte_offset, self);
                             },
                             "uint32 [characters]: place of each character in the UTF-8 bytes of text.")
      .def_property_readonly("lines", [](py::object self) { return view_int16(self, self.cast<Page&>().lines, &PageLine::top_px, 3); },
                             "int16 [lines, 3]: top, baseline and bottom in px.")
      .def_property_readonly("chars", [](py::object self) { return view_rows(self, self.cast<Page&>().chars); },
                             "Structured array, one row a code point: byte_offset, line, ink box, cell, column, channel, right_to_left. A view.")
      .def_property_readonly("line_table", [](py::object self) { return view_rows(self, self.cast<Page&>().lines); },
                             "Structured array, one row a visual line: bytes, top, baseline, bottom, pens, column, direction, channel. A view.")
      .def_property_readonly("decorations", [](py::object self) { return view_rows(self, self.cast<Page&>().decorations); },
                             "Structured array: boxes of ink that no character of the source stands for.")
      .def_property_readonly("graphemes",
                             [](py::object self) {
                               auto& begin = self.cast<Page&>().grapheme_begin;
                               static uint32_t none = 0;
                               return py::array(py::dtype::of<uint32_t>(), {ssize_t(begin.size())}, {ssize_t(sizeof(uint32_t))}, begin.empty() ? &none : begin.data(), self);
                             },
                             "uint32 [graphemes]: index into chars of each grapheme cluster's first code point.")
      .def_property_readonly("page_index", [](const Page& page) { return page.page_index; })
      .def_property_readonly("byte_begin", [](const Page& page) { return page.byte_begin; }, "Of the page's text in the whole source, in bytes.")
      .def("__copy__", [](const Page& page) { return page; })
      .def("__deepcopy__", [](const Page& page, const py::dict&) { return page; }, py::arg("memo"))
      .def("to_svg", [](const Page& page, double dpi) { return to_svg(page, {.dpi = dpi}); }, py::arg("dpi") = 72.0, py::call_guard<py::gil_scoped_release, RenderGate>(),
           "The page as SVG with selectable text; it needs keep_draw_list=True.")
      .def_property_readonly("report", [](const Page& page) { return page.report; })
      .def_property_readonly("shape", [](const Page& page) { return std::make_pair(page.image.height_px, page.image.width_px); })
      .def("mark",
           [](const Page& page, const std::vector<size_t>& chars, std::tuple<int, int, int> colour) {
             const auto [r, g, b] = colour;
             return mark_chars(page, chars, uint8_t(r), uint8_t(g), uint8_t(b));
           },
           py::arg("chars"), py::arg("colour") = std::make_tuple(230, 0, 0), "An RGB picture with the given characters (indices into boxes) coloured.")
      .def("save", [](const Page& page, const std::string& path) { write_png(page.image, path); }, py::arg("path"), py::call_guard<py::gil_scoped_release>())
      .def("_repr_png_", [](const Page& page) { return png_of(page.image); })
      .def("__repr__", [](const Page& page) {
        return "<fovea.Page " + std::to_string(page.image.width_px) + " x " + std::to_string(page.image.height_px) + " px, " +
               std::to_string(page.chars.size()) + " characters, " + std::to_string(page.lines.size()) + " lines>";
      });

  const auto release = py::call_guard<py::gil_scoped_release, RenderGate>();
  py::class_<TokenFit>(m, "TokenFit", "What fit_token_ratio found.")
      .def_readonly("font_size_px", &TokenFit::font_size_px)
      .def_readonly("num_text_tokens", &TokenFit::num_text_tokens)
      .def_readonly("num_bytes", &TokenFit::num_bytes, "Of the text that they cover.")
      .def_readonly("ratio", &TokenFit::ratio);
  py::class_<SquareFit>(m, "SquareFit", "What pack_square found: render(text, style) fills a square page.")
      .def_readonly("style", &SquareFit::style)
      .def_readonly("side_px", &SquareFit::side_px)
      .def_readonly("num_lines", &SquareFit::num_lines)
      .def_readonly("fill_ratio", &SquareFit::fill_ratio);
  py::class_<Renderer, std::shared_ptr<Renderer>>(m, "Renderer", "Draws pages; safe to share between threads, and processes may fork while it draws.")
      .def(py::init<>(), release)
      .def("render", [](const Renderer& r, const std::string& text, const Style& style) { return r.render(text, style); }, py::arg("text"), py::arg("style"), release)
      .def("render", [](const Renderer& r, const StyledText& text, const Style& style) { return r.render(text, style); }, py::arg("text"), py::arg("style"), release)
      .def("render_pages", [](const Renderer& r, const std::string& text, const Style& style, size_t max_pages) { return r.render_pages(text, style, max_pages); },
           py::arg("text"), py::arg("style"), py::arg("max_pages") = SIZE_MAX, release, "All pages of a text, one after the other.")
      .def("render_pages",
           [](const Renderer& r, const StyledText& text, const Style& style, size_t max_pages) {
             std::vector<Page> out;
             if (max_pages > 0)
               r.render_pages(text, style, [&](Page&& page) {
                 out.push_back(std::move(page));
                 return out.size() < max_pages;
               });
             return out;
           },
           py::arg("text"), py::arg("style"), py::arg("max_pages") = SIZE_MAX, release)
      .def("render_channels",
           [](const Renderer& r, const std::array<std::string, 3>& texts, const Style& style) { return r.render_channels({texts[0], texts[1], texts[2]}, style); },
           py::arg("texts"), py::arg("style"), release, "Three texts on one RGB page, each in a colour channel of its own.")
      .def("fit_font_size",
           [](const Renderer& r, const std::string& text, const Style& style, double low, double high, double step) {
             return r.fit_font_size(text, style, low, high, step);
           },
           py::arg("text"), py::arg("style"), py::arg("min_px") = 3.0, py::arg("max_px") = 64.0, py::arg("step_px") = 0.25, release,
           "The largest font size at which the whole text fits the page.")
      .def("fit_fill_ratio",
           [](const Renderer& r, const std::string& text, const Style& style, double fill_ratio, double low, double high, double step) {
             return r.fit_fill_ratio(text, style, fill_ratio, low, high, step);
           },
           py::arg("text"), py::arg("style"), py::arg("fill_ratio"), py::arg("min_px") = 3.0, py::arg("max_px") = 64.0, py::arg("step_px") = 0.25, release,
           "The largest font size at which the text takes at most this share of the page's height.")
      .def("fit_token_ratio",
           [](const Renderer& r, const std::string& text, const std::vector<size_t>& token_end, double ratio, int64_t num_vision_tokens, const Style& style, double low,
              double high, double step) { return r.fit_token_ratio(text, token_end, ratio, num_vision_tokens, style, low, high, step); },
           py::arg("text"), py::arg("token_end"), py::arg("ratio"), py::arg("num_vision_tokens"), py::arg("style"), py::arg("min_px") = 3.0, py::arg("max_px") = 64.0,
           py::arg("step_px") = 0.25, release, "How much text gives this many text tokens a vision token, and the largest font size at which it fits.")
      .def("pack_square",
           [](const Renderer& r, const std::string& text, const Style& style, int64_t max_side_px, int64_t stride_px, bool keep_font_size, double low, double high,
              double step) { return r.pack_square(text, style, max_side_px, stride_px, keep_font_size, low, high, step); },
           py::arg("text"), py::arg("style"), py::arg("max_side_px"), py::arg("stride_px") = 16, py::arg("keep_font_size") = false, py::arg("min_px") = 3.0,
           py::arg("max_px") = 64.0, py::arg("step_px") = 0.25, release, "A square page that the text fills evenly.");
  m.def("markdown_to_styled_text", [](const std::string& text, const Style& style) { return markdown_to_styled_text(text, style); }, py::arg("markdown"), py::arg("style"), release,
        "Markdown as a StyledText.");
  m.def("to_pdf",
        [](const std::vector<const Page*>& pages, double dpi) {
          std::string bytes;
          {
            py::gil_scoped_release release;
            RenderGate gate;
            std::vector<Page> copies;
            for (const Page* page : pages) copies.push_back(*page);
            bytes = to_pdf(copies, {.dpi = dpi});
          }
          return py::bytes(bytes);
        },
        py::arg("pages"), py::arg("dpi") = 72.0, "A PDF file of pages that were drawn with keep_draw_list=True; text can be selected.");
  m.def("font_families", &font_families, release, "Family names that fontconfig knows.");
  m.def("font_file", &font_file, py::arg("family_or_path"), release, "The file that a family name or path stands for.");
}

}  // namespace fovea::python
