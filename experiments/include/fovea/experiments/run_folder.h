// Run folders: a config, results a line at a time, tables and a manifest, so that a killed run goes on where it was.
#pragma once
#include <string>
#include <vector>

#include "fovea/base/config.h"

namespace fovea::experiments {

/// "format" of a config.json; folders of a higher one are refused. Those without it are of format 1.
constexpr int64_t kRunFormat = 1;

/// Another process writes into the folder.
class BusyError : public ConfigError {
  using ConfigError::ConfigError;
};

/// Opens (or makes) a run folder for one writer at a time; the lock ends with the object or its process.
class RunFolder {
 public:
  /// config.json of an existing folder must equal `identity`. Reads results.jsonl; a last line without its newline is cut off.
  /// Errors   ConfigError (another run's folder: names what differs; BusyError: another process writes here), IoError (cannot write).
  RunFolder(const std::string& path, const Json& identity);
  ~RunFolder();
  RunFolder(const RunFolder&) = delete;
  RunFolder& operator=(const RunFolder&) = delete;

  const std::string& path() const { return path_; }
  std::string file(const std::string& name) const { return path_ + "/" + name; }
  const std::vector<Json>& results() const { return results_; }
  /// Appends one line to results.jsonl and flushes it to the file. Errors: IoError.
  void append(const Json& line);

 private:
  std::string path_;
  int fd_ = -1;
  std::vector<Json> results_;
};

/// Would RunFolder(path, identity) work? Writes nothing. Errors: as the constructor.
void check_run_folder(const std::string& path, const Json& identity);

/// Whether another process (or object) holds the folder now.
bool run_folder_is_taken(const std::string& path);

/// Values of `rows` as CSV with a header line; numbers in their shortest form that reads back, text quoted where needed.
std::string to_csv(const std::vector<std::string>& columns, const Json& rows);
/// Versions of Fovea and its libraries, processor, cores, memory, GPUs.
Json library_versions();
Json hardware();
std::string now_utc();  ///< 2026-01-31T12:00:00Z

/// SHA-256 over names and hashes of all *.safetensors, config.json and tokenizer of a model folder.
std::string hash_of_model(const std::string& folder, const std::string& tokenizer_file);

}  // namespace fovea::experiments
