// Around the page: style files, degradations, maps, batches, and the verbs `render` and `map`.
#include <pybind11/numpy.h>
#include <pybind11/stl.h>

#include "bindings.h"
#include "fovea/base/error.h"
#include "fovea/experiments/map_verb.h"
#include "fovea/experiments/render_verb.h"
#include "fovea/render/batch.h"
#include "fovea/render/contact_sheet.h"
#include "fovea/render/degrade.h"
#include "fovea/render/map.h"
#include "fovea/render/map_file.h"
#include "fovea/render/map_picture.h"
#include "fovea/render/style_file.h"
#include "fovea/render/versions.h"
#include "render_arrays.h"
#include "render_gate.h"

namespace fovea::python {

using namespace render;

namespace {

Image image_from(const py::array_t<uint8_t, py::array::c_style | py::array::forcecast>& array) {
  if (array.ndim() != 2 && !(array.ndim() == 3 && array.shape(2) == 3))
    throw ShapeError("[image] must be uint8 [height, width] or [height, width, 3], got " + std::to_string(array.ndim()) + " dimensions");
  Image out = Image::filled(int(array.shape(1)), int(array.shape(0)), array.ndim() == 2 ? 1 : 3, 0);
  std::copy_n(array.data(), out.pixels.size(), out.pixels.begin());
  return out;
}

template <class T> py::array_t<T> copied(const std::vector<T>& values) { return py::array_t<T>(ssize_t(values.size()), values.data()); }

// [rows, columns] of values of a grid's tokens.
template <class T, class From> py::array_t<T> by_row(const TokenGrid& grid, const From& values) {
  py::array_t<T> out({ssize_t(grid.num_rows), ssize_t(grid.num_columns)});
  T* data = out.mutable_data();
  for (size_t i = 0; i < values.size(); ++i) data[i] = T(values[i]);
  return out;
}

py::tuple rect_tuple(const PageRect& r) { return py::make_tuple(r.x0, r.y0, r.x1, r.y1); }

}  // namespace

void bind_render_tools(py::module_& m) {
  const auto release = py::call_guard<py::gil_scoped_release, RenderGate>();
  bind_config<Degradations>(m);
  bind_config<FitConfig>(m);
  bind_config<StyleSheet>(m);
  bind_config<ViewConfig>(m);
  bind_config<experiments::RenderConfig>(m);
  bind_config<experiments::MapConfig>(m);

  m.def("load_style", &load_style, py::arg("name_or_path"), "A style that ships, by name, or a TOML file.");
  m.def("style_names", &style_names, "Names of the styles that ship.");
  m.def("style_text", &style_text, py::arg("name"), "The TOML of a style that ships, comments included.");
  m.def("validate_style", [](const Style& style) { validate(style); }, py::arg("style"));
  m.def(
      "fitted_style",
      [](const Renderer& renderer, const std::string& text, const StyleSheet& sheet, const std::vector<size_t>& token_end) {
        size_t text_bytes = 0;
        Style style = fitted_style(renderer, text, sheet, token_end, text_bytes);
        return std::make_pair(std::move(style), text_bytes);
      },
      py::arg("renderer"), py::arg("text"), py::arg("sheet"), py::arg("token_end") = std::vector<size_t>{}, release,
      "The style with the font size that sheet.fit finds, and how many bytes of the text belong on the page.");
  m.def("render_versions", [] { return to_python(render::library_versions()); }, "Versions of the libraries that a page's bytes depend on.");

  py::class_<DegradeReport>(m, "DegradeReport", "What degradations did to a page.")
      .def_readonly("steps", &DegradeReport::steps, "In order, with the amounts drawn.")
      .def_property_readonly("degraded_from_page",
                             [](const DegradeReport& r) {
                               py::array_t<double> out({3, 3});
                               std::copy(r.degraded_from_page.begin(), r.degraded_from_page.end(), out.mutable_data());
                               return out;
                             },
                             "float64 [3, 3]: homography from px of the page as drawn to px of this one.")
      .def_readonly("occluded_share", &DegradeReport::occluded_share)
      .def_readonly("num_chars_cut", &DegradeReport::num_chars_cut, "Characters of which a part left the page.")
      .def_property_readonly("occluded_chars", [](const DegradeReport& r) { return copied(r.occluded_chars); }, "uint32: characters that are at least half covered.")
      .def("__repr__", [](const DegradeReport& r) {
        std::string steps;
        for (const auto& step : r.steps) steps += (steps.empty() ? "" : ", ") + step;
        return "DegradeReport(" + steps + ")";
      });
  m.def(
      "degrade_page",
      [](const Page& page, const Degradations& config, uint64_t index) {
        Page out = page;
        DegradeReport report = degrade(out, config, index);
        return std::make_pair(std::move(out), std::move(report));
      },
      py::arg("page"), py::arg("degradations"), py::arg("index") = 0, release, "A degraded copy with its map moved along, and the report.");
  m.def(
      "degrade_image",
      [](const py::array_t<uint8_t, py::array::c_style | py::array::forcecast>& array, const Degradations& config, uint64_t index) {
        Image image = image_from(array);
        DegradeReport report;
        {
          py::gil_scoped_release release;
          report = degrade(image, config, index);
        }
        return std::make_pair(std::move(image), std::move(report));
      },
      py::arg("image"), py::arg("degradations"), py::arg("index") = 0, "The same of a picture, uint8 [height, width] or [height, width, 3].");

  py::class_<TokenGrid>(m, "TokenGrid", "One grid of vision tokens on a page: x_view = x_page * scale_x + offset_x.")
      .def_readonly("name", &TokenGrid::name)
      .def_readonly("width_px", &TokenGrid::width_px)
      .def_readonly("height_px", &TokenGrid::height_px)
      .def_readonly("scale_x", &TokenGrid::scale_x)
      .def_readonly("scale_y", &TokenGrid::scale_y)
      .def_readonly("offset_x", &TokenGrid::offset_x)
      .def_readonly("offset_y", &TokenGrid::offset_y)
      .def_readonly("patch_px", &TokenGrid::patch_px)
      .def_readonly("token_px", &TokenGrid::token_px)
      .def_readonly("num_columns", &TokenGrid::num_columns)
      .def_readonly("num_rows", &TokenGrid::num_rows)
      .def_readonly("token_begin", &TokenGrid::token_begin)
      .def_readonly("position_begin", &TokenGrid::position_begin)
      .def_property_readonly("num_tokens", &TokenGrid::num_tokens)
      .def_property_readonly("num_patch_columns", &TokenGrid::num_patch_columns)
      .def_property_readonly("num_patch_rows", &TokenGrid::num_patch_rows)
      .def("token_at", &TokenGrid::token_at, py::arg("x_page"), py::arg("y_page"), "Vision token under a point of the page.")
      .def("patch_at", &TokenGrid::patch_at, py::arg("x_page"), py::arg("y_page"))
      .def("position_of", &TokenGrid::position_of, py::arg("token"), "Decoder position of a vision token.")
      .def("token_rect", [](const TokenGrid& grid, int64_t token) { return rect_tuple(token_rect(grid, token)); }, py::arg("token"), "x0, y0, x1, y1 on the page in px.")
      .def("patch_rect", [](const TokenGrid& grid, int64_t patch) { return rect_tuple(patch_rect(grid, patch)); }, py::arg("patch"))
      .def("__repr__", [](const TokenGrid& g) {
        return "<fovea.TokenGrid " + g.name + ", " + std::to_string(g.num_columns) + " x " + std::to_string(g.num_rows) + " vision tokens>";
      });
  m.def("token_grids", &token_grids, py::arg("page_width_px"), py::arg("page_height_px"), py::arg("view"), "The grids that a page of this size is seen through.");

  PYBIND11_NUMPY_DTYPE(CharPlace, token, patch, token_column_begin, token_column_end, token_row_begin, token_row_end, cut_by_token, cut_by_patch);
  py::class_<GridMap>(m, "GridMap", "A page on a grid of vision tokens, as numbers. Arrays of tokens are [rows, columns].")
      .def_readonly("grid", &GridMap::grid)
      .def_property_readonly("chars",
                             [](py::object self) {
                               auto& chars = self.cast<GridMap&>().chars;
                               static CharPlace none;
                               return py::array(py::dtype::of<CharPlace>(), {ssize_t(chars.size())}, {ssize_t(sizeof(CharPlace))}, chars.empty() ? &none : chars.data(), self);
                             },
                             "Structured array, one row a character: token, patch, tokens touched, cut_by_token, cut_by_patch. A view.")
      .def("chars_of_token",
           [](const GridMap& map, int64_t token) {
             if (token < 0 || token >= map.grid.num_tokens())
               throw py::index_error("token must be from 0 to " + std::to_string(map.grid.num_tokens() - 1) + ", got " + std::to_string(token));
             const auto begin = map.token_chars.begin();
             return copied(std::vector<uint32_t>(begin + map.token_char_begin[size_t(token)], begin + map.token_char_begin[size_t(token) + 1]));
           },
           py::arg("token"), "uint32: characters with ink on a vision token (and spaces in the middle of which it lies).")
      .def_property_readonly("valid", [](const GridMap& map) { return by_row<bool>(map.grid, map.valid); }, "Tokens that cover the page and not only padding.")
      .def_property_readonly("ink_density", [](const GridMap& map) { return by_row<double>(map.grid, map.ink_density); }, "Mean distance from the paper, 0 to 1.")
      .def_property_readonly("text_tokens",
                             [](const GridMap& map) -> py::object {
                               if (map.text_tokens.empty()) return py::none();
                               return by_row<double>(map.grid, map.text_tokens);
                             },
                             "Text tokens on each vision token; None where no offsets were given.")
      .def_readonly("num_text_tokens", &GridMap::num_text_tokens)
      .def_readonly("num_glyphs", &GridMap::num_glyphs)
      .def_readonly("num_glyphs_cut_by_token", &GridMap::num_glyphs_cut_by_token)
      .def_readonly("num_glyphs_cut_by_patch", &GridMap::num_glyphs_cut_by_patch)
      .def("to_dict", [](const GridMap& map) { return to_python(to_json(map)); })
      .def("__repr__", [](const GridMap& map) {
        return "<fovea.GridMap " + std::to_string(map.grid.num_tokens()) + " vision tokens, " + std::to_string(map.chars.size()) + " characters, " +
               std::to_string(map.num_glyphs_cut_by_token) + " of " + std::to_string(map.num_glyphs) + " glyphs cut>";
      });
  m.def("map_page", &map_page, py::arg("page"), py::arg("grid"), py::arg("text_token_end") = std::vector<size_t>{}, py::arg("channel") = -1, release,
        "Where each character falls. text_token_end: byte of page.text at which each text token ends; channel: of a multiplexed page, -1 all.");
  m.def(
      "draw_map",
      [](const Page& page, const GridMap& map, const std::string& title, int scale, const Renderer& renderer) { return draw_map(page, map, title, scale, renderer); },
      py::arg("page"), py::arg("map"), py::arg("title"), py::arg("scale"), py::arg("renderer"), release, "Cuts, load and ink beside each other, RGB.");
  m.def(
      "draw_map_layer",
      [](const Page& page, const GridMap& map, const std::string& layer, int scale, const Renderer& renderer) {
        const MapLayer which = layer == "cuts"   ? MapLayer::kCuts
                               : layer == "load" ? MapLayer::kLoad
                               : layer == "ink"  ? MapLayer::kInk
                                                 : throw ConfigError("[draw_map] layer must be one of cuts, load, ink, got '" + layer + "'");
        return draw_map_layer(page, map, which, scale, renderer);
      },
      py::arg("page"), py::arg("map"), py::arg("layer"), py::arg("scale"), py::arg("renderer"), release);
  m.def("write_page", [](const Page& page, const std::string& stem) { write_page(page, stem); }, py::arg("page"), py::arg("stem"), release, "Writes stem.png and stem.map.json.");
  m.def("read_map", [](const std::string& path, bool with_picture) { return read_map(path, with_picture); }, py::arg("path"), py::arg("with_picture") = true, release,
        "The page of a PAGE.map.json, with its picture where that lies beside it.");
  m.def(
      "contact_sheet",
      [](const std::vector<std::pair<py::array_t<uint8_t, py::array::c_style | py::array::forcecast>, std::string>>& cells, int columns, int cell_px, const std::string& title,
         const Renderer& renderer) {
        std::vector<ContactCell> all;
        for (const auto& [array, label] : cells) all.push_back({image_from(array), label});
        py::gil_scoped_release release;
        RenderGate gate;
        return contact_sheet(all, columns, cell_px, title, renderer);
      },
      py::arg("cells"), py::arg("columns"), py::arg("cell_px"), py::arg("title"), py::arg("renderer"), "Pictures in rows, a label above each, RGB.");

  m.def("batch_shape", &batch_shape, py::arg("sheet"), "height, width, channels of the pages that a sheet gives.");
  m.def(
      "render_batch",
      [](const Renderer& renderer, const std::vector<std::string>& texts, const StyleSheet& sheet, py::array& out, int num_threads, uint64_t first_index, bool keep_maps) {
        const bool has_shape = out.ndim() == 3 || (out.ndim() == 4 && out.shape(3) == 3);
        if (!out.dtype().is(py::dtype::of<uint8_t>()) || !has_shape || !(out.flags() & py::array::c_style) || !out.writeable())
          throw ShapeError("[render_batch] out must be a writeable, contiguous uint8 array [n, height, width] or [n, height, width, 3]");
        const BatchTarget target{static_cast<uint8_t*>(out.mutable_data()), out.shape(0), out.shape(1), out.shape(2), out.ndim() == 3 ? 1 : 3};
        std::vector<std::string_view> views(texts.begin(), texts.end());
        py::gil_scoped_release release;
        RenderGate gate;
        return render_batch(renderer, views, sheet, target, num_threads, first_index, keep_maps);
      },
      py::arg("renderer"), py::arg("texts"), py::arg("sheet"), py::arg("out"), py::arg("num_threads") = 0, py::arg("first_index") = 0, py::arg("keep_maps") = false,
      "Draws texts into out, on threads and without the GIL; the pages without pixels.");

  m.def(
      "run_render",
      [](const experiments::RenderConfig& config, const py::object& on_progress, const py::object& on_result, const std::vector<std::string>& command,
         const std::string& git_revision) {
        PendingPythonError pending;
        experiments::RenderCallbacks callbacks;
        callbacks.command = command;
        callbacks.git_revision = git_revision;
        if (!on_progress.is_none()) callbacks.on_progress = [&](size_t done, size_t total) { pending.run([&] { on_progress(done, total); }); };
        if (!on_result.is_none()) callbacks.on_result = [&](const Json& line) { pending.run([&] { on_result(to_python(line)); }); };
        callbacks.should_stop = [&] { return !pending.run([] {}); };
        experiments::RenderSummary summary;
        {
          py::gil_scoped_release release;
          summary = experiments::run_render(config, callbacks);
        }
        pending.rethrow();
        return to_python(Json{{"num_done", summary.num_done},
                              {"num_skipped", summary.num_skipped},
                              {"num_pages", summary.num_pages},
                              {"files", summary.files},
                              {"results", summary.results}});
      },
      py::arg("config"), py::arg("on_progress") = py::none(), py::arg("on_result") = py::none(), py::arg("command") = std::vector<std::string>{}, py::arg("git_revision") = "",
      "Pages of all texts in all cells of the sweep into config.out.");
  m.def("run_map", [](const experiments::MapConfig& config) {
    Json out;
    {
      py::gil_scoped_release release;
      out = experiments::run_map(config);
    }
    return to_python(out);
  }, py::arg("config"), "Numbers and pictures of map files.");
}

}  // namespace fovea::python
