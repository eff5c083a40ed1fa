// Fox: its results file scored as its own scripts score it, in both readings of who is the reference.
#pragma once
#include <optional>
#include <string>
#include <vector>

#include "fovea/base/config.h"
#include "fovea/metrics/overlap.h"

namespace fovea::metrics {

class Jieba;
class WordNet;

/// The six numbers of Fox's eval_ocr_test.py. Undefined (nullopt) where the script returns None or divides by zero.
struct FoxScores {
  std::optional<double> bleu, meteor, f_measure, precision, recall, edit_dist;
};
/// Tokens by jieba if either text has a character in U+4E00..U+9FA5, else by white space (then `jieba` may be null).
/// edit_dist: Levenshtein of the raw texts over the longer one's length, code points.
/// Source  ucaslcl/Fox 82f720c, eval_tools/eval_ocr_test.py cal_per_metrics.
FoxScores fox_scores(std::u32string_view reference, std::u32string_view hypothesis, const Jieba* jieba, const WordNet* wordnet);

struct FoxConfig {
  std::string results;               ///< Fox's own results file: a list of {image, question, label, answer}
  std::string out;                   ///< metrics.json; empty: returned only
  std::string empty = "zero";
  std::string duplicates = "refuse";
  std::string jieba;
  std::string wordnet;
  bool synonyms = true;
  int64_t threads = 0;

  template <class V> void visit_fields(V& v) {
    v.field("results", results, "Fox's results file: a JSON list of {image, question, label, answer}");
    v.field("out", out, "metrics file to write (JSON)");
    v.field("empty", empty,
            "pages with an empty side, where Fox's script fails: zero counts what is undefined as 0 (two empty texts: perfect), skip leaves them out",
            {.choices = {"zero", "skip"}});
    v.field("duplicates", duplicates, "records of one image and question: refuse, or count each as Fox's script does", {.choices = {"refuse", "count"}});
    v.field("jieba", jieba, "folder of jieba (dict.txt, finalseg/); empty: FOVEA_JIEBA or Debian's python3-jieba");
    v.field("wordnet", wordnet, "folder of WordNet 3.0's dictionary; empty: FOVEA_WORDNET or Debian's wordnet-base");
    v.field("synonyms", synonyms, "METEOR with WordNet's synonyms; false: equality and stems only");
    v.field("threads", threads, "threads; 0: all", {.min = 0, .max = 1024});
  }
};

/// {schema, policy, num_records, natural: {bleu, meteor, f_measure, precision, recall, edit_dist}, as_called: {...}, exact_match, reading: {...}, pages: [...]}.
/// natural: label is the reference. as_called: roles as the script calls its function, label as the hypothesis; its printout is this.
/// Written to config.out if that is set. Errors: ConfigError, IoError, each with record and key.
Json score_fox(const FoxConfig& config);

}  // namespace fovea::metrics
