// Where a training starts from: another model's weights, whole or in part, and which parameters stay as they are.
// A prefix names a parameter or the part of the tree above it, at a dot: "decoder.layers.1" is not "decoder.layers.10". Both names of a parameter
// count: the tree's ("encoder.compressor.net_2.weight") and the published checkpoint's ("model.sam_model.net_2.weight").
#pragma once
#include "fovea/model/optical_model.h"

namespace fovea::train {

/// config.json of a folder, in our form or the published one. Errors: IoError, ConfigError.
model::ModelConfig read_model_config(const std::string& folder);

/// Whether one of the prefixes names the parameter (its name in OpticalModel's tree).
bool has_prefix(const std::string& own_name, const std::vector<std::string>& prefixes);

/// Errors: ConfigError naming the prefixes that are of no parameter, and the nearest part of the tree. option: what the message calls them.
void require_prefixes(const model::OpticalModel& model, const std::vector<std::string>& prefixes, const std::string& option);

struct InitReport {
  int64_t num_loaded = 0;             ///< parameters that were read from the folder
  std::vector<std::string> fresh;     ///< names in the tree of those that were not: they stay as they were made
  std::vector<std::string> left_over; ///< stored names that the model took nothing from
};
/// "fresh: encoder.compressor (3)": the report in one line, names up to the second dot counted.
std::string describe_init(const InitReport& report);

/// Loads a folder's weights into the model.
/// skip   prefixes that are not loaded, whether the folder has them or not
/// only   prefixes that alone are loaded; empty: all that are not skipped
/// check_alone  says what would be and loads nothing; the model may be on the meta device then.
/// What is neither skipped nor outside of `only` must be there and fit, and nothing may be stored that is named by neither: otherwise one WeightsError that
/// lists what differs and the init_skip that would do. Nothing has been written then. Errors: also ConfigError (prefix of nothing), IoError.
InitReport init_from(model::OpticalModel& model, const std::string& folder, const std::vector<std::string>& skip = {}, const std::vector<std::string>& only = {},
                     bool check_alone = false);

}  // namespace fovea::train
