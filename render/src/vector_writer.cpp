#include "fovea/render/vector.h"

#include <cctype>
#include <cstdio>
#include <map>

#include <cairo-pdf.h>
#include <cairo-svg.h>

#include "fovea/base/error.h"
#include "fovea/base/file.h"
#include "vector_fonts.h"
#include "vector_page.h"

namespace fovea::render {
namespace {

cairo_status_t append(void* closure, const unsigned char* data, unsigned size) {
  try {
    static_cast<std::string*>(closure)->append(reinterpret_cast<const char*>(data), size);
    return CAIRO_STATUS_SUCCESS;
  } catch (const std::bad_alloc&) {
    return CAIRO_STATUS_NO_MEMORY;
  }
}

cairo_status_t append_to_file(void* closure, const unsigned char* data, unsigned size) {
  return std::fwrite(data, 1, size, static_cast<std::FILE*>(closure)) == size ? CAIRO_STATUS_SUCCESS : CAIRO_STATUS_WRITE_ERROR;
}

struct Destroy {
  void operator()(cairo_t* cr) const { cairo_destroy(cr); }
  void operator()(cairo_surface_t* surface) const { cairo_surface_destroy(surface); }
};
using Context = std::unique_ptr<cairo_t, Destroy>;
using Surface = std::unique_ptr<cairo_surface_t, Destroy>;

Context begin(cairo_surface_t* surface, double scale) {
  check_cairo(cairo_surface_status(surface), "vector");
  Context cr(cairo_create(surface));
  cairo_font_options_t* options = cairo_font_options_create();
  cairo_font_options_set_hint_style(options, CAIRO_HINT_STYLE_NONE);
  cairo_font_options_set_hint_metrics(options, CAIRO_HINT_METRICS_OFF);
  cairo_font_options_set_antialias(options, CAIRO_ANTIALIAS_GRAY);
  cairo_set_font_options(cr.get(), options);
  cairo_font_options_destroy(options);
  cairo_scale(cr.get(), scale, scale);
  check_cairo(cairo_status(cr.get()), "vector");
  return cr;
}

void check(const VectorOptions& options) { validate_fields(options, "vector"); }

const DrawList& list_of(const Page& page) {
  if (!page.draw_list) throw ConfigError("[vector] the page must have its draw list, got none; render it with keep_draw_list=true");
  return *page.draw_list;
}

// Pages into a PDF surface of any destination.
class PdfPages {
 public:
  PdfPages(Surface surface, const VectorOptions& options) : surface_(std::move(surface)), scale_(72 / options.dpi) {
    check_cairo(cairo_surface_status(surface_.get()), "pdf");
    cairo_pdf_surface_restrict_to_version(surface_.get(), CAIRO_PDF_VERSION_1_5);
    // The date of writing would change the bytes: a fixed one, because Cairo cannot leave it out.
    cairo_pdf_surface_set_metadata(surface_.get(), CAIRO_PDF_METADATA_CREATE_DATE, "2000-01-01T00:00:00Z");
    cairo_pdf_surface_set_metadata(surface_.get(), CAIRO_PDF_METADATA_CREATOR, "Fovea");
  }

  void add(const Page& page) {
    const DrawList& list = list_of(page);
    cairo_pdf_surface_set_size(surface_.get(), list.width_px * scale_, list.height_px * scale_);
    const Context cr = begin(surface_.get(), scale_);
    draw_page(cr.get(), page, fonts_, true);
    cairo_show_page(cr.get());
    check_cairo(cairo_status(cr.get()), "pdf");
    ++num_pages_;
  }
  void finish() {
    if (num_pages_ == 0) throw ConfigError("[pdf] a file must have at least one page, got none");
    cairo_surface_finish(surface_.get());
    const cairo_status_t status = cairo_surface_status(surface_.get());
    if (status == CAIRO_STATUS_WRITE_ERROR) throw IoError("[pdf] cannot be written; is the disk full?");
    check_cairo(status, "pdf");
  }

 private:
  VectorFonts fonts_;  // freed after the surface
  Surface surface_;
  double scale_;
  size_t num_pages_ = 0;
};

// Cairo numbers groups and pictures by a counter of the process ("surface17", "image23"): they are counted anew, in order of appearance.
std::string with_fixed_names(const std::string& svg) {
  std::map<std::string, size_t> numbers;
  std::string out;
  out.reserve(svg.size());
  size_t done = 0;
  for (size_t pos = 0; pos < svg.size(); ++pos) {
    if (svg[pos] != '"' && svg[pos] != '#') continue;  // a name is at the beginning of an attribute or reference
    for (const std::string_view kind : {"surface", "image"}) {
      if (svg.compare(pos + 1, kind.size(), kind) != 0) continue;
      const size_t begin = pos + 1 + kind.size();
      size_t end = begin;
      while (end < svg.size() && std::isdigit(static_cast<unsigned char>(svg[end]))) ++end;
      if (end == begin) continue;
      out.append(svg, done, begin - done);
      const size_t next = numbers.size() + 1;
      out += std::to_string(numbers.try_emplace(svg.substr(pos + 1, end - pos - 1), next).first->second);
      done = end;
    }
  }
  return out + svg.substr(done);
}

}  // namespace

struct PdfWriter::State {
  std::string path, partial;
  std::FILE* file = nullptr;
  std::unique_ptr<PdfPages> pages;

  ~State() {
    pages.reset();
    if (file) {
      std::fclose(file);
      std::remove(partial.c_str());
    }
  }
};

PdfWriter::PdfWriter(const std::string& path, const VectorOptions& options) : state_(std::make_unique<State>()) {
  check(options);
  state_->path = path;
  state_->partial = path + ".partial";
  state_->file = std::fopen(state_->partial.c_str(), "wb");
  if (!state_->file) throw IoError("[pdf] cannot write '" + state_->partial + "'");
  state_->pages = std::make_unique<PdfPages>(Surface(cairo_pdf_surface_create_for_stream(append_to_file, state_->file, 1, 1)), options);
}

PdfWriter::~PdfWriter() {
  if (!state_->file) return;
  try {
    finish();
  } catch (const Error&) {
  }
}

void PdfWriter::add(const Page& page) {
  if (!state_->file) throw ConfigError("[pdf] '" + state_->path + "' is finished and takes no more pages");
  state_->pages->add(page);
}

void PdfWriter::finish() {
  if (!state_->file) return;
  state_->pages->finish();
  const bool closed = std::fclose(state_->file) == 0;
  state_->file = nullptr;
  if (!closed || std::rename(state_->partial.c_str(), state_->path.c_str()) != 0) {
    std::remove(state_->partial.c_str());
    throw IoError("[pdf] cannot write '" + state_->path + "'");
  }
}

std::string to_pdf(std::span<const Page> pages, const VectorOptions& options) {
  check(options);
  std::string bytes;
  PdfPages out(Surface(cairo_pdf_surface_create_for_stream(append, &bytes, 1, 1)), options);
  for (const Page& page : pages) out.add(page);
  out.finish();
  return bytes;
}

std::string to_svg(const Page& page, const VectorOptions& options) {
  check(options);
  const DrawList& list = list_of(page);
  const double scale = 72 / options.dpi;
  std::string bytes;
  {
    VectorFonts fonts;
    const Surface surface(cairo_svg_surface_create_for_stream(append, &bytes, list.width_px * scale, list.height_px * scale));
    {
      const Context cr = begin(surface.get(), scale);
      draw_page(cr.get(), page, fonts, false);
    }
    cairo_surface_finish(surface.get());
    check_cairo(cairo_surface_status(surface.get()), "svg");
  }
  bytes = with_fixed_names(bytes);
  const size_t end = bytes.rfind("</svg>");
  if (end == std::string::npos) throw InternalError("[svg] Cairo's picture has no end; please report it");
  char transform[64];
  std::snprintf(transform, sizeof transform, "<g transform=\"scale(%.9g)\">\n", scale);
  bytes.insert(end, transform + svg_text(page) + "</g>\n");
  return bytes;
}

}  // namespace fovea::render
