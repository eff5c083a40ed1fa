// What a curve's user may choose about the look of its pages.
#pragma once
#include <string_view>

#include "fovea/base/config.h"
#include "fovea/render/style.h"

namespace fovea::experiments {

/// The part of render::Style that a curve leaves open: it sets page size, font and font size itself.
struct CurveStyle {
  render::Style style;

  template <class V> void visit_fields(V& v) {
    Open<V> open{v};
    style.visit_fields(open);
  }

 private:
  template <class V> struct Open {
    V& v;
    template <class T> void field(const char* name, T& value, const char* help, const FieldRule& rule = {}) {
      const std::string_view n = name;
      if (n != "width_px" && n != "height_px" && n != "font" && n != "font_size_px" && n != "overflow") v.field(name, value, help, rule);
    }
  };
};

}  // namespace fovea::experiments
