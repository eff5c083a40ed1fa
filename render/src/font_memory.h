// Font memory: an allocator for FreeType with a ceiling, so that a hostile font file cannot ask for all of the machine's.
#pragma once
#include <cstddef>

#include <ft2build.h>
#include FT_SYSTEM_H

namespace fovea::render {

/// One a FreeType library, as thread-safe as that (not at all). Requests beyond a limit fail, which FreeType reports as out of memory.
class FontMemory {
 public:
  static constexpr size_t kMaxBlockBytes = size_t(192) << 20, kMaxBytes = size_t(512) << 20;

  FontMemory();
  FontMemory(const FontMemory&) = delete;
  FontMemory& operator=(const FontMemory&) = delete;
  FT_Memory get() { return &record_; }

 private:
  static void* allocate(FT_Memory memory, long size);
  static void release(FT_Memory memory, void* block);
  static void* reallocate(FT_Memory memory, long old_size, long new_size, void* block);

  FT_MemoryRec_ record_{};
  size_t num_bytes_ = 0;
};

}  // namespace fovea::render
