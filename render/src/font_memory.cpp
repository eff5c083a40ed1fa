#include "font_memory.h"

#include <cstdlib>

namespace fovea::render {
namespace {
// In front of every block: its size. As large as the strictest alignment, which the block behind it keeps.
struct alignas(std::max_align_t) Header {
  size_t size;
};
}  // namespace

FontMemory::FontMemory() {
  record_.user = this;
  record_.alloc = allocate;
  record_.free = release;
  record_.realloc = reallocate;
}

void* FontMemory::allocate(FT_Memory memory, long size) { return reallocate(memory, 0, size, nullptr); }

void FontMemory::release(FT_Memory memory, void* block) {
  if (!block) return;
  Header* header = static_cast<Header*>(block) - 1;
  static_cast<FontMemory*>(memory->user)->num_bytes_ -= header->size;
  std::free(header);
}

void* FontMemory::reallocate(FT_Memory memory, long, long new_size, void* block) {
  auto& self = *static_cast<FontMemory*>(memory->user);
  Header* header = block ? static_cast<Header*>(block) - 1 : nullptr;
  const size_t old = header ? header->size : 0, wanted = size_t(new_size);
  if (new_size < 0 || wanted > kMaxBlockBytes || self.num_bytes_ - old + wanted > kMaxBytes) return nullptr;
  header = static_cast<Header*>(std::realloc(header, sizeof(Header) + wanted));
  if (!header) return nullptr;
  header->size = wanted;
  self.num_bytes_ += wanted - old;
  return header + 1;
}

}  // namespace fovea::render
