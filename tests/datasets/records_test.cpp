#include "fovea/datasets/records.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <functional>

#include "fovea/base/error.h"

namespace fovea::datasets {
namespace {

using testing::AllOf;
using testing::HasSubstr;

class RecordsTest : public testing::Test {
 protected:
  void SetUp() override {
    folder = testing::TempDir() + "fovea_records_" + std::to_string(getpid());
    std::filesystem::create_directories(folder);
  }
  void TearDown() override { std::filesystem::remove_all(folder); }
  std::string file(const std::string& text, const std::string& name = "a.json") {
    std::ofstream(folder + "/" + name) << text;
    return folder + "/" + name;
  }
  static std::string message_of(const std::function<void()>& body) {
    try {
      body();
    } catch (const Error& e) {
      return e.what();
    }
    ADD_FAILURE() << "nothing was thrown";
    return "";
  }
  std::string folder;
};

const char kFox[] = R"([{"image": "en_1.png", "conversations": [{"from": "human", "value": "<image>\nOCR"}, {"from": "gpt", "value": "One \n two"}]}])";

TEST_F(RecordsTest, Fox) {
  const auto records = read_fox(file(kFox));
  ASSERT_EQ(records.size(), 1u);
  EXPECT_EQ(records[0].image, "en_1.png");
  EXPECT_EQ(records[0].text, "One \n two");  // as it stands: nothing is normalised
  EXPECT_THAT(message_of([&] { read_fox(file("[{\"image\": \"a.png\"},\n {]")); }), HasSubstr("line 2 column 3"));
  EXPECT_THAT(message_of([&] { read_fox(file("[{\"imag\": \"a.png\"}]")); }), AllOf(HasSubstr("record 0"), HasSubstr("'image'"), HasSubstr("'imag'")));
  const std::string one = std::string(kFox).substr(1, std::string(kFox).size() - 2);
  EXPECT_THAT(message_of([&] { read_fox(file("[" + one + "," + one + "]")); }), AllOf(HasSubstr("record 1"), HasSubstr("en_1.png")));
  EXPECT_THAT(message_of([&] { fox_page_files({folder}); }), HasSubstr("en_page_ocr.json"));
}

TEST_F(RecordsTest, OmniDocBenchReadsBlocksInTheirOrder) {
  const auto pages = read_omnidocbench(file(R"([{"layout_dets": [
    {"category_type": "text_block", "order": 2, "ignore": false, "text": "second"},
    {"category_type": "title", "order": 1, "text": "first"},
    {"category_type": "table", "order": 3, "html": "<table></table>", "latex": "x"},
    {"category_type": "header", "order": null, "text": "none"},
    {"category_type": "abandon", "order": 4, "ignore": true, "text": "ignored"}],
    "page_info": {"image_path": "p.jpg", "page_attribute": {"language": "english"}}}])"));
  ASSERT_EQ(pages.size(), 1u);
  EXPECT_EQ(pages[0].text, "first\n\nsecond\n\n<table></table>");
  EXPECT_EQ(pages[0].language, "english");
  EXPECT_THAT(message_of([&] { read_omnidocbench(file("[{\"layout_dets\": [], \"page_info\": {}}]")); }), AllOf(HasSubstr("page 0"), HasSubstr("image_path")));
}

TEST_F(RecordsTest, QuestionPairs) {
  const auto pairs = read_question_pairs(file("{\"context\": \"c\", \"question\": \"q\", \"answer\": \"a\"}\n\n{\"id\": 7, \"context\": \"c\", \"question\": \"q\", \"answers\": {\"text\": [\"x\", \"y\"]}}\n", "a.jsonl"));
  ASSERT_EQ(pairs.size(), 2u);
  EXPECT_EQ(pairs[0].id, "0");
  EXPECT_EQ(pairs[1].id, "7");
  EXPECT_EQ(pairs[1].answers.size(), 2u);
  EXPECT_THAT(message_of([&] { read_question_pairs(file("{\"context\": \"c\", \"question\": \"q\"}\n")); }), AllOf(HasSubstr("line 1"), HasSubstr("answers")));
  EXPECT_THAT(message_of([&] { read_question_pairs(file("{\"context\": \"c\"\n")); }), HasSubstr("line 1 column"));
}

}  // namespace
}  // namespace fovea::datasets
