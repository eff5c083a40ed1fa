// Data sets as their users have them: Fox, OmniDocBench, question-answer pairs. Readers check; nothing is downloaded.
#pragma once
#include <string>
#include <vector>

namespace fovea::datasets {

/// A record of Fox's page OCR: {image, conversations: [{from: human, value: prompt}, {from: gpt, value: text}]}.
struct FoxRecord {
  std::string image, question, text;
};
/// Errors: IoError; ConfigError with the place (no JSON, a missing key, two records of one image and question).
std::vector<FoxRecord> read_fox(const std::string& path);
/// Files as they are named; a folder stands for the en_page_ocr.json and cn_page_ocr.json in it. Errors: IoError where a folder has neither.
std::vector<std::string> fox_page_files(const std::vector<std::string>& paths);

/// A page of OmniDocBench (all versions): what its blocks say in reading order. Blocks that are ignored or have no order are left out; tables are HTML.
struct OmniDocPage {
  std::string image, language, data_source, layout, text;
};
/// Errors: IoError; ConfigError with page and key, or naming an image that two pages have.
std::vector<OmniDocPage> read_omnidocbench(const std::string& path);

struct QuestionPair {
  std::string id, context, question;
  std::vector<std::string> answers;  ///< at least one
};
/// JSON Lines or a JSON list of {context, question, answers: [..] | answer: text, id}; without an id the record's number is it. SQuAD's
/// answers: {text: [..]} are understood. Errors: IoError; ConfigError with the place (a missing key, no answer, an id twice).
std::vector<QuestionPair> read_question_pairs(const std::string& path);

/// Where a page's image is: in `given` if that is named, else in the first of `folders` under `beside` that has it, else beside/name.
std::string image_file(const std::string& name, const std::string& given, const std::string& beside, const std::vector<std::string>& folders);

}  // namespace fovea::datasets
