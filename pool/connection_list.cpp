#include "pool/connection_list.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstddef>
#include <stdexcept>

namespace bullpen {
namespace {

constexpr std::array<std::string_view, 3> where_names = {"waiting", "parked", "given"};
constexpr std::string_view queued_name = "queued";
constexpr std::int64_t unknown = -1;

void append(std::string& text, std::int64_t number) {
    std::array<char, 24> digits;
    digits[0] = ' ';
    const auto end = std::to_chars(digits.data() + 1, digits.data() + digits.size(), number);
    text.append(digits.data(), end.ptr);
}

/// The words of a line, one after the other.
class Words {
public:
    explicit Words(std::string_view line) : rest_{line} {}

    /// The rest, of which what is taken is gone.
    [[nodiscard]] std::string_view rest() const noexcept { return rest_; }

    std::string_view next() {
        const std::string_view word = rest_.substr(0, rest_.find(' '));
        rest_.remove_prefix(std::min(word.size() + 1, rest_.size()));
        return word;
    }

    template <typename Number>
    Number number() {
        const std::string_view word = next();
        Number value{};
        const auto read = std::from_chars(word.data(), word.data() + word.size(), value);
        if (read.ec != std::errc{} || read.ptr != word.data() + word.size())
            throw std::runtime_error{"a number is missing"};
        return value;
    }

private:
    std::string_view rest_;
};

void read_line(std::string_view line, std::vector<ListedPool>& pools) {
    Words words{line};
    const std::string_view kind = words.next();
    if (kind == "pool") {
        pools.push_back({.name = std::string{words.rest()}});
    } else if (kind == "worker" && !pools.empty()) {
        const auto pid = words.number<pid_t>();
        const auto first = words.number<std::uint32_t>();
        const SlotRange slots{first, first + words.number<std::uint32_t>()};
        pools.back().workers.push_back({.pid = pid, .slots = slots});
        if (const auto busy_ms = words.number<std::int64_t>(); busy_ms != unknown)
            pools.back().workers.back().busy = std::chrono::milliseconds{busy_ms};
    } else if (kind == "connection" && !pools.empty()) {
        const int fd = words.number<int>();
        const std::string_view word = words.next();
        const bool queued = word == queued_name;
        const auto* const where =
            std::find(where_names.begin(), where_names.end(), queued ? name_of(Where::given) : word);
        if (where == where_names.end()) throw std::runtime_error{"it is nowhere"};
        const auto slot = words.number<std::uint32_t>();
        pools.back().connections.push_back({.fd = fd,
                                            .where = static_cast<Where>(where - where_names.begin()),
                                            .slot = slot,
                                            .age = std::chrono::milliseconds{words.number<std::int64_t>()},
                                            .queued = queued});
    } else {
        throw std::runtime_error{"an unknown line"};
    }
}

}  // namespace

std::string_view name_of(Where where) noexcept {
    return where_names[static_cast<std::size_t>(where)];
}

void write_pool(std::string& text, std::string_view name) {
    text.append("pool ").append(name).append("\n");
}

void write(std::string& text, const ListedWorkers& workers) {
    text += "worker";
    append(text, workers.pid);
    append(text, workers.slots.first);
    append(text, workers.slots.end - workers.slots.first);
    append(text, workers.busy ? workers.busy->count() : unknown);
    text += '\n';
}

void write(std::string& text, const ListedConnection& connection) {
    text += "connection";
    append(text, connection.fd);
    text.append(" ").append(connection.queued ? queued_name : name_of(connection.where));
    append(text, connection.slot);
    append(text, connection.age.count());
    text += '\n';
}

std::vector<ListedPool> read_connection_list(std::string_view text) {
    std::vector<ListedPool> pools;
    try {
        while (!text.empty()) {
            const std::string_view line = text.substr(0, text.find('\n'));
            text.remove_prefix(std::min(line.size() + 1, text.size()));
            read_line(line, pools);
        }
    } catch (const std::runtime_error& error) {
        throw std::runtime_error{std::string{"the server's list of connections is none: "} + error.what()};
    }
    return pools;
}

}  // namespace bullpen
