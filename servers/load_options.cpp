#include <bullpen/load_options.hpp>

#include <toml++/toml.h>

#include <algorithm>
#include <cerrno>
#include <fstream>
#include <iterator>
#include <stdexcept>
#include <string_view>
#include <system_error>

#include <bullpen/set_option.hpp>
#include "core/printable.hpp"

namespace bullpen {
namespace {

[[noreturn]] void reject(const std::string& path, const toml::source_region& source,
                         const std::string& sentence) {
    throw std::invalid_argument{printable(path + ":" + std::to_string(source.begin.line) + ": " + sentence)};
}

std::vector<std::string> texts_of(const toml::node& node) {
    if (const auto* text = node.as_string()) return {text->get()};
    if (const auto* number = node.as_integer()) return {std::to_string(number->get())};
    std::vector<std::string> texts;
    if (const auto* array = node.as_array())
        for (const toml::node& element : *array)
            if (const auto* text = element.as_string()) texts.push_back(text->get());
    if (!texts.empty() && texts.size() == node.as_array()->size()) return texts;
    throw std::invalid_argument{"expected a string, a whole number or an array of strings"};
}

const toml::table& table_of(const std::string& path, std::string_view name, const toml::node& node) {
    if (node.is_table()) return *node.as_table();
    reject(path, node.source(), std::string{name} + ": expected a table, as in [" + std::string{name} + "]");
}

void read_table(Options& options, const toml::table& table, const std::string& path) {
    for (const auto& [key, node] : table) {
        const std::string name{key.str()};
        try {
            if (name == "name")
                throw std::invalid_argument{"name: a pool's is that of its table, [pool.NAME]"};
            set_option(options, name, texts_of(node));
        } catch (const std::invalid_argument& error) {
            const std::string sentence = error.what();
            reject(path, node.source(), sentence.starts_with("expected") ? name + ": " + sentence : sentence);
        }
    }
}

toml::table parsed(const std::string& path) {
    errno = 0;
    std::ifstream file{path};
    const std::string text{std::istreambuf_iterator<char>{file}, {}};
    if (!file.good() && !file.eof())
        throw std::system_error{errno != 0 ? errno : EIO, std::generic_category(),
                                "cannot read " + printable(path)};
    try {
        return toml::parse(text, path);
    } catch (const toml::parse_error& error) {
        reject(path, error.source(), std::string{error.description()});
    }
}

}  // namespace

std::vector<Options> load_options(const std::string& path, const std::vector<std::string>& own) {
    const toml::table document = parsed(path);
    Options common;
    std::vector<Options> pools;
    if (const toml::node* master = document.get("master"))
        read_table(common, table_of(path, "master", *master), path);
    for (const auto& [key, node] : document) {
        const std::string name{key.str()};
        if (name == "master" || std::find(own.begin(), own.end(), name) != own.end()) continue;
        if (name != "pool")
            reject(path, node.source(), "there is no table '" + name + "'; known are master and pool.NAME");
        for (const auto& [pool, pool_node] : table_of(path, "pool.NAME", node)) {
            Options options = common;
            options.name = pool.str();
            read_table(options, table_of(path, "pool." + options.name, pool_node), path);
            pools.push_back(std::move(options));
        }
    }
    if (pools.empty())
        throw std::invalid_argument{printable(path) +
                                    ": there is no pool in it; expected at least one [pool.NAME]"};
    return pools;
}

}  // namespace bullpen
