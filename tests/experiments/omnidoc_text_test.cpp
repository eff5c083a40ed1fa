#include "fovea/metrics/omnidoc_text.h"

#include <gtest/gtest.h>

#include "benchmark_data.h"
#include "fovea/base/file.h"
#include "fovea/base/utf8.h"
#include "fovea/metrics/json_file.h"
#include "fovea/metrics/latex_text.h"
#include "fovea/metrics/table.h"

namespace fovea::metrics {
namespace {

std::u32string text(const Json& value) { return to_code_points(value.get<std::string>()); }

struct Version {
  const char* name;
  OmniDocVersion version;
};

class OmniDocFunctions : public testing::TestWithParam<Version> {
 protected:
  Json golden(const std::string& folder) { return read_json(folder + "/golden/functions/" + GetParam().name + ".json"); }
  template <class Function> void expect_all(const Json& cases, Function&& function) {
    ASSERT_FALSE(cases.empty());
    for (const Json& one : cases) EXPECT_EQ(to_utf8(function(text(one["in"]))), one["out"].get<std::string>()) << one["in"];
  }
};

TEST_P(OmniDocFunctions, NormalForms) {
  FOVEA_BENCHMARK_OR_SKIP(folder, "omnidocbench-demo");
  const Json want = golden(folder);
  const OmniDocVersion version = GetParam().version;
  expect_all(want["latex_to_text"], [](std::u32string_view in) { return latex_to_text(in).value_or(U"(raises)"); });
  expect_all(want["textblock2unicode"], [](std::u32string_view in) { return textblock2unicode(in); });
  expect_all(want["clean_string"], [](std::u32string_view in) { return clean_string(in); });
  expect_all(want["norm_text"], [](std::u32string_view in) { return normalized_text(in); });
  expect_all(want["normalized_formula"], [version](std::u32string_view in) { return normalized_formula(in, version); });
  expect_all(want["normalized_html_table"], [](std::u32string_view in) { return normalized_html_table(in); });
}

TEST_P(OmniDocFunctions, TableSimilarity) {
  FOVEA_BENCHMARK_OR_SKIP(folder, "omnidocbench-demo");
  const Json want = golden(folder);
  for (const Json& pair : want["teds_pairs"]) {
    const Teds got = teds(text(pair["pred"]), text(pair["gt"]));
    EXPECT_NEAR(got.content, pair["TEDS"].get<double>(), 1e-9) << pair["pred"];
    EXPECT_NEAR(got.structure, pair["TEDS_structure_only"].get<double>(), 1e-9) << pair["pred"];
  }
}

TEST_P(OmniDocFunctions, MarkdownIsSplitAtTheSamePlaces) {
  FOVEA_BENCHMARK_OR_SKIP(folder, "omnidocbench-demo");
  const Json want = golden(folder);
  size_t num_pieces = 0;
  const auto check = [&](const std::u32string& in, const Json& out, const std::string& which) {
    std::map<std::string, Json> got;
    for (const auto& piece : split_markdown(in, GetParam().version)) {
      Json one = {{"category_type", to_utf8(piece.category)}, {"position", {piece.begin, piece.end}}, {"content", to_utf8(piece.content)}};
      if (!piece.fine_category.empty()) one["fine_category_type"] = to_utf8(piece.fine_category);
      got[to_utf8(piece.category)].push_back(one);
      ++num_pieces;
    }
    for (const auto& item : out.items()) {
      if (item.value().empty()) continue;
      Json wanted = Json::array();
      for (Json one : item.value()) {
        one.erase("language");
        wanted.push_back(one);
      }
      EXPECT_EQ(got[item.key()], wanted) << which << " " << item.key();
    }
  };
  for (const Json& one : want["md_tex_filter"]) {
    const std::string file = one["file"].get<std::string>();
    check(to_code_points(read_file(folder + "/" + file)), one["out"], file);
  }
  for (const Json& one : want["md_tex_filter_snippets"]) check(text(one["in"]), one["out"], one["in"].get<std::string>());
  EXPECT_GT(num_pieces, 300u);
}

INSTANTIATE_TEST_SUITE_P(Versions, OmniDocFunctions, testing::Values(Version{"v1.0", OmniDocVersion::k1_0}, Version{"v1.5", OmniDocVersion::k1_5}),
                         [](const auto& info) { return info.param.version == OmniDocVersion::k1_0 ? "v1_0" : "v1_5"; });

}  // namespace
}  // namespace fovea::metrics
