#include "servers/inetd/inetd_conf.hpp"

#include <cstddef>
#include <stdexcept>
#include <unordered_map>
#include <utility>

#include <bullpen/ip_address.hpp>
#include "servers/inetd/inetd_address.hpp"
#include "servers/inetd/inetd_field.hpp"
#include "servers/inetd/inetd_line.hpp"
#include "servers/inetd/inetd_protocol.hpp"
#include "servers/inetd/inetd_rule.hpp"
#include "servers/inetd/inetd_word.hpp"

namespace bullpen {
namespace {

/// One line's words on their way to an entry, with what is wrong with them.
class LineReader {
public:
    LineReader(const InetdLine& line, std::vector<InetdComplaint>& complaints)
        : line_{line}, complaints_{complaints} {}

    [[nodiscard]] bool is_right() const noexcept { return is_right_; }

    void complain(std::string_view field, std::string sentence) {
        complaints_.push_back({line_.number, std::string{field}, std::move(sentence), false});
        is_right_ = false;
    }

    void warn(std::string_view field, std::string sentence) {
        complaints_.push_back({line_.number, std::string{field}, std::move(sentence), true});
    }

    /// Runs what returns a warning or nothing, and throws what is wrong.
    template <typename Check>
    void attempt(std::string_view field, const Check& check) {
        try {
            if (std::string warning = check(); !warning.empty()) warn(field, std::move(warning));
        } catch (const std::invalid_argument& wrong) {
            complain(field, wrong.what());
        }
    }

    void read_fields(InetdEntry& entry) {
        for (std::size_t i = 0; i < inetd_fields().size(); ++i) {
            const InetdField& field = inetd_fields()[i];
            if (i == line_.words.size())
                return complain(field.name, "the " + std::string{field.name} +
                                                " field is missing; expected " + std::string{field.expected});
            const InetdWord& word = line_.words[i];
            if (word.complaint.empty())
                attempt(field.name, [&] { return field.read(word.text, entry); });
            else
                complain(field.name, word.complaint);
        }
    }

    void read_arguments(InetdEntry& entry) {
        for (std::size_t i = inetd_fields().size(); i < line_.words.size(); ++i) {
            const InetdWord& word = line_.words[i];
            if (!word.complaint.empty()) return complain("arguments", word.complaint);
            entry.arguments.push_back(word.text);
        }
        if (entry.internal)
            drop_arguments(entry);
        else if (entry.arguments.empty())
            entry.arguments.push_back(entry.program.substr(entry.program.rfind('/') + 1));
    }

    /// A '#' that isn't in its line's first column is no comment.
    void warn_of_hash() {
        if (!line_.hash) return;
        const auto all = inetd_fields();
        warn(*line_.hash < all.size() ? all[*line_.hash].name : "arguments",
             "a '#' after blanks begins no comment, but continues the line before; expected it to be the "
             "line's first byte");
    }

private:
    void drop_arguments(InetdEntry& entry) {
        for (const std::string& argument : std::exchange(entry.arguments, {}))
            if (argument != "internal")
                return warn("arguments",
                            quoted(argument) + " is ignored: an internal service has no arguments");
    }

    const InetdLine& line_;
    std::vector<InetdComplaint>& complaints_;
    bool is_right_ = true;
};

/// What a service would bind, one text for each family of each address.
std::vector<std::string> places_of(const InetdEntry& entry) {
    const InetdProtocolRow& row = row_of(entry.protocol);
    if (row.transport == nullptr) return {"unix " + entry.service};
    const bool has_v4 =
        row.takes_v4 || entry.protocol == InetdProtocol::tcp46 || entry.protocol == InetdProtocol::udp46;
    const std::string place = std::string{row.transport} + " " + std::to_string(entry.port) + " ";
    std::vector<std::string> places;
    const auto add = [&](const std::string& address) {
        if (has_v4) places.push_back(place + "4 " + address);
        if (row.takes_v6) places.push_back(place + "6 " + address);
    };
    if (entry.addresses.empty()) add("*");
    for (const std::string& address : entry.addresses) {
        const auto number = IpAddress::parse(address);
        add(number ? number->text() : address);
    }
    return places;
}

class Parser {
public:
    explicit Parser(const PortLookup& ports) : ports_{ports} {}

    void read(const InetdLine& line) {
        LineReader reader{line, conf_.complaints};
        if (line.continues_nothing)
            return reader.complain("service",
                                   "the line begins with a blank and has no line before it to continue; "
                                   "expected it to begin in the first column");
        if (is_default_address(line)) return read_default_address(line.words[0], reader);
        InetdEntry entry;
        entry.line = line.number;
        entry.addresses = default_addresses_;
        reader.read_fields(entry);
        reader.warn_of_hash();
        if (reader.is_right()) reader.read_arguments(entry);
        if (reader.is_right()) settle(entry, reader);
        if (reader.is_right()) conf_.entries.push_back(std::move(entry));
    }

    InetdConf take() { return std::move(conf_); }

private:
    static bool is_default_address(const InetdLine& line) {
        const std::string& word = line.words[0].text;
        return line.words.size() == 1 && word.ends_with(':') && word.find('/') == std::string::npos;
    }

    void read_default_address(const InetdWord& word, LineReader& reader) {
        if (!word.complaint.empty()) return reader.complain("service", word.complaint);
        reader.attempt("service", [&] {
            default_addresses_ = *split_addresses(word.text).addresses;
            return std::string{};
        });
    }

    void settle(InetdEntry& entry, LineReader& reader) {
        if (entry.protocol == InetdProtocol::unix_domain) drop_addresses(entry, reader);
        for (const InetdRule& rule : inetd_rules())
            if (reader.is_right()) reader.attempt(rule.field, [&] { return rule.check(entry, ports_); });
        if (reader.is_right()) find_duplicate(entry, reader);
    }

    void drop_addresses(InetdEntry& entry, LineReader& reader) const {
        if (entry.addresses != default_addresses_)
            reader.warn("service", "the address before the ':' is ignored: a UNIX socket has none");
        entry.addresses.clear();
    }

    void find_duplicate(const InetdEntry& entry, LineReader& reader) {
        const std::vector<std::string> places = places_of(entry);
        for (const std::string& place : places)
            if (const auto other = lines_.find(place); other != lines_.end())
                return reader.complain("service",
                                       quoted(entry.service) + " is line " + std::to_string(other->second) +
                                           "'s already; expected one line for an address, protocol and port");
        for (const std::string& place : places)
            lines_.emplace(place, entry.line);
    }

    const PortLookup& ports_;
    InetdConf conf_;
    InetdAddresses default_addresses_;
    std::unordered_map<std::string, int> lines_;  ///< By what a right line would bind.
};

}  // namespace

InetdConf parse_inetd_conf(std::string_view text, const PortLookup& ports) {
    Parser parser{ports};
    for (const InetdLine& line : inetd_lines(text))
        parser.read(line);
    return parser.take();
}

}  // namespace bullpen
