// The ban on repeated n-grams against the published code on made-up sequences (tests/golden/ngram.json).
#include <gtest/gtest.h>

#include "fovea/decoder/ngram_guard.h"
#include "support/rule.h"

namespace fovea {
namespace {

TEST(NgramGuard, EqualsTheReference) {
  const Json golden = test::read_golden("ngram.json");
  ASSERT_GE(golden["windowed"].size(), 20u);
  ASSERT_GE(golden["whole_sequence"].size(), 10u);
  for (const char* kind : {"windowed", "whole_sequence"})
    for (const auto& c : golden[kind]) {
      SCOPED_TRACE(c["note"].get<std::string>());
      const auto ids = c["ids"].get<std::vector<int32_t>>();
      const auto exempt = c.contains("whitelist") ? c["whitelist"].get<std::vector<int64_t>>() : std::vector<int64_t>{};
      EXPECT_EQ(decoder::banned_by_ngrams(ids, c["n"], c.contains("window") ? c["window"].get<int64_t>() : 0, exempt), c["banned"].get<std::vector<int32_t>>());
    }
}

}  // namespace
}  // namespace fovea
