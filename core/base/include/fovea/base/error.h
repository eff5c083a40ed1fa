// Errors. Every exception that leaves a Fovea library derives from fovea::Error; the Python base is named beside each.
#pragma once
#include <stdexcept>
#include <string>

namespace fovea {

/// Base of all Fovea errors. Message form: "[where] what must hold, got VALUE; hint".
class Error : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

/// A value or combination is wrong, found before work starts (Python: ValueError).
class ConfigError : public Error { using Error::Error; };
/// Rank, size, dtype or device is not as documented (Python: ValueError).
class ShapeError : public Error { using Error::Error; };
/// Missing, extra, mis-shaped or damaged weights (Python: RuntimeError).
class WeightsError : public Error { using Error::Error; };
/// FreeType or HarfBuzz status, absent glyph or page overflow when strict (Python: RuntimeError).
class RenderError : public Error { using Error::Error; };
/// A file cannot be read or written, or ends early (Python: OSError).
class IoError : public Error { using Error::Error; };
/// This build or device cannot do it (Python: NotImplementedError).
class UnsupportedError : public Error { using Error::Error; };
/// Our bug; asks for a report (Python: RuntimeError).
class InternalError : public Error { using Error::Error; };

}  // namespace fovea
