#include "fovea/base/config.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>

#include "fovea/base/file.h"

namespace fovea {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::ThrowsMessage;

struct InkConfig {
  double darkness = 1;
  std::string color = "black";
  template <class V> void visit_fields(V& v) {
    v.field("darkness", darkness, "1 is full", {.min = 0, .max = 1});
    v.field("color", color, "of the ink", {.choices = {"black", "blue"}});
  }
};
struct PrintConfig {
  std::vector<int64_t> budget = {64, 100};
  bool strict = false;
  int64_t copies = 1;
  InkConfig ink;
  template <class V> void visit_fields(V& v) {
    v.field("budget", budget, "tokens a page", {.min = 1});
    v.field("strict", strict, "fail on warnings");
    v.field("copies", copies, "of each page", {.min = 1});
    v.field("ink", ink, "what it is printed with");
  }
};

TEST(Config, GoesThroughJson) {
  PrintConfig config;
  config.budget = {256};
  config.ink.color = "blue";
  PrintConfig back;
  apply_json(back, config_to_json(config), "test");
  EXPECT_EQ(config_to_json(back), config_to_json(config));
  EXPECT_EQ(config_to_json(config).dump(), R"({"budget":[256],"strict":false,"copies":1,"ink":{"darkness":1.0,"color":"blue"}})");
}

TEST(Config, ListsAllProblemsAndChangesNothing) {
  PrintConfig config;
  const Json wrong = {{"copeis", 2}, {"budget", {64, 0}}, {"strict", "yes"}, {"ink", {{"color", "red"}}}};
  EXPECT_THAT([&] { apply_json(config, wrong, "print"); },
              ThrowsMessage<ConfigError>(AllOf(HasSubstr("print"), HasSubstr("copies"), HasSubstr("budget"), HasSubstr("strict"), HasSubstr("ink.color"))));
  EXPECT_EQ(config_to_json(config), config_to_json(PrintConfig{}));
  EXPECT_THAT([&] { apply_json(config, Json::array(), "print"); }, ThrowsMessage<ConfigError>(HasSubstr("table")));
}

TEST(Config, Overrides) {
  PrintConfig config;
  apply_overrides(config, {"budget=100,256", "strict=true", "ink.darkness=0.5", "ink.color=blue"}, "print");
  EXPECT_THAT(config.budget, ElementsAre(100, 256));
  EXPECT_TRUE(config.strict);
  EXPECT_EQ(config.ink.darkness, 0.5);
  EXPECT_EQ(config.ink.color, "blue");
  EXPECT_THAT([&] { apply_overrides(config, {"copies=many", "inc.color=red", "plain"}, "print"); },
              ThrowsMessage<ConfigError>(AllOf(HasSubstr("copies"), HasSubstr("ink.color"), HasSubstr("plain"))));
}

TEST(Config, ValidatesAndDescribes) {
  PrintConfig config;
  EXPECT_NO_THROW(validate_fields(config, "print"));
  config.ink.darkness = 2;
  config.copies = 0;
  EXPECT_THAT([&] { validate_fields(config, "print"); }, ThrowsMessage<ConfigError>(AllOf(HasSubstr("ink.darkness"), HasSubstr("copies"))));
  const Json schema = config_schema<PrintConfig>();
  ASSERT_EQ(schema.size(), 5u);
  EXPECT_EQ(schema[3]["name"], "ink.darkness");
  EXPECT_EQ(schema[4]["choices"], Json({"black", "blue"}));
}

TEST(Config, Toml) {
  const auto path = (std::filesystem::temp_directory_path() / "fovea_config_test.toml").string();
  write_file_atomic(path, "copies = 3\n[ink]\ncolor = \"blue\"\n");
  PrintConfig config;
  apply_json(config, read_toml(path), path);
  EXPECT_EQ(config.copies, 3);
  EXPECT_EQ(config.ink.color, "blue");
  write_file_atomic(path, "copies = \n");
  EXPECT_THAT([&] { read_toml(path); }, ThrowsMessage<ConfigError>(HasSubstr("1")));
  std::filesystem::remove(path);
  EXPECT_THROW(read_toml(path), IoError);
}

TEST(Config, NearestWord) {
  EXPECT_EQ(nearest_word("budgte", {"budget", "strict"}), "budget");
  EXPECT_EQ(nearest_word("raito", {"ratio", "radio"}), "ratio");
  EXPECT_EQ(nearest_word("qqqqqq", {"budget", "strict"}), "");
}

}  // namespace
}  // namespace fovea
