// Pipe tables of Markdown as HTML, with the official converter's losses.
#pragma once
#include <string>
#include <string_view>
#include <vector>

namespace fovea::metrics {

/// Every stretch from a bar to the next bar that ends a line: what the official program takes for a row.
std::vector<std::u32string_view> pipe_rows(std::u32string_view text);
/// The text with its pipe tables as HTML. Each row becomes a table of its own and neighbours are merged line by line; lines that hold ':' or '---'
/// inside a table vanish, as they do upstream (they are taken for the rule below the head).
std::u32string convert_pipe_tables(std::u32string_view text);

}  // namespace fovea::metrics
