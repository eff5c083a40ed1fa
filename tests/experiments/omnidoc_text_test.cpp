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
  expect_all(want["textblock2unicode"], [version](std::u32string_view in) { return textblock2unicode(in, version); });
  expect_all(want["clean_string"], [version](std::u32string_view in) { return clean_string(in, version); });
  expect_all(want["norm_text"], [version](std::u32string_view in) { return normalized_text(in, version); });
  expect_all(want["normalized_formula"], [version](std::u32string_view in) { return normalized_formula(in, version); });
  expect_all(want["normalized_html_table"], [version](std::u32string_view in) { return normalized_html_table(in, version); });
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

INSTANTIATE_TEST_SUITE_P(Versions, OmniDocFunctions, testing::Values(Version{"v1.0", OmniDocVersion::k1_0}, Version{"v1.5", OmniDocVersion::k1_5}, Version{"v1.6", OmniDocVersion::k1_6}),
                         [](const auto& info) { return std::string("v1_") + info.param.name[3]; });

// Version 1.6 reads LaTeX tables as HTML while it splits; by hand, and as LaTeXML has them.
TEST(OmniDoc16, LatexTablesBecomeHtml) {
  const std::u32string table = UR"(\begin{table}\caption{No}
\begin{tabular}{|l|c|} \hline
\multirow{2}{*}{\textbf{Name}} & \multicolumn{2}{c|}{5 \% of $x^2 \pm y$} \\ \cline{2-3}
 & a & it's -- \& \\ \hline
\end{tabular}\end{table})";
  const auto pieces = split_markdown(U"Before.\n\n" + table + U"\n\nAfter.", OmniDocVersion::k1_6);
  ASSERT_EQ(pieces.size(), 3u);
  EXPECT_EQ(pieces[1].fine_category, U"latex2html_table");
  EXPECT_EQ(to_utf8(pieces[1].content), "<html><body><table border=\"1\" ><tr><td rowspan=\"2\">Name</td><td colspan=\"2\">5 % of $x^{2}± y$</td></tr>"
                                        "<tr><td>a</td><td>it’s – &</td></tr></table></body></html>");
}

TEST(OmniDoc16, FormulasAreRescuedFromTextAndLoseTheirNumbers) {
  const auto pieces = split_markdown(U"\\[ x = 1 + 2 \\quad (where\\ all\\ numbers\\ are\\ given) \\]\n\n3 + 4 = 7 ÷ 1\n\nSee $x$ and $a^2=b$.", OmniDocVersion::k1_6);
  std::vector<std::string> seen;
  for (const auto& piece : pieces) seen.push_back(to_utf8(piece.category + U"/" + piece.fine_category));
  EXPECT_EQ(std::count(seen.begin(), seen.end(), "formula_rescue/text_formula"), 2) << "an arithmetic line, and one that is mostly formula";
  EXPECT_EQ(std::count(seen.begin(), seen.end(), "equation_isolated/equation_inline"), 1) << "$x$ is a mere label";
  EXPECT_EQ(std::count(seen.begin(), seen.end(), "text_all/equation_caption"), 1);
}

}  // namespace
}  // namespace fovea::metrics
