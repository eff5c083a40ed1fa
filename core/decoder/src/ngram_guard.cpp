#include "fovea/decoder/ngram_guard.h"

#include <algorithm>

namespace fovea::decoder {

std::vector<int32_t> banned_by_ngrams(std::span<const int32_t> ids, int64_t n, int64_t window, std::span<const int64_t> exempt) {
  std::vector<int32_t> banned;
  const int64_t length = int64_t(ids.size());
  // At n = 1 the published window bans nothing (its prefix, ids[-0:], is then the whole list); without a window it bans all that occurred.
  if (n < (window > 0 ? 2 : 1) || length < n) return banned;
  const auto prefix = ids.subspan(size_t(length - (n - 1)));
  for (int64_t i = window > 0 ? std::max<int64_t>(0, length - window) : 0; i + n <= length; ++i)
    if (std::equal(prefix.begin(), prefix.end(), ids.begin() + i)) banned.push_back(ids[size_t(i + n - 1)]);
  std::sort(banned.begin(), banned.end());
  banned.erase(std::unique(banned.begin(), banned.end()), banned.end());
  std::erase_if(banned, [&](int32_t id) { return std::find(exempt.begin(), exempt.end(), int64_t(id)) != exempt.end(); });
  return banned;
}

}  // namespace fovea::decoder
