/// inetd.conf: sentences, and services that are the same when they are written and read again.
#include <algorithm>
#include <cstdint>
#include <string>

#include "core/printable.hpp"
#include "core/utf8.hpp"
#include "servers/inetd/inetd_conf.hpp"
#include "servers/inetd/inetd_protocol.hpp"
#include "tests/fuzz/property.hpp"

using namespace bullpen;

namespace {

std::optional<std::uint16_t> some_port(const std::string& name, const char* protocol) {
    const std::string key = name + "/" + protocol;
    if (key == "ftp/tcp") return std::uint16_t{21};
    if (key == "tftp/udp") return std::uint16_t{69};
    if (name == "echo") return std::uint16_t{7};
    if (name == "sink") return std::uint16_t{9};
    return std::nullopt;
}

std::string as_word(const std::string& text) {
    std::string word;
    for (const char c : text)
        word += c == '\'' ? std::string{"\"'\""} : std::string{'\'', c, '\''};
    return word.empty() ? "''" : word;
}

std::string as_first_word(const InetdEntry& entry) {
    if (entry.protocol == InetdProtocol::unix_domain) return as_word(entry.service);
    std::string addresses;
    for (const std::string& address : entry.addresses)
        addresses += (addresses.empty() ? "" : ",") +
                     (address.find(':') == std::string::npos ? address : "[" + address + "]");
    return as_word((addresses.empty() ? "*" : addresses) + ":" + entry.service);
}

std::string as_line(const InetdEntry& entry) {
    const std::string limits =
        "." + std::to_string(entry.max_a_minute) + ":" + std::to_string(entry.max_per_source);
    std::string line = as_first_word(entry) + " " + std::string{name_of(entry.socket)} + " " +
                       std::string{row_of(entry.protocol).name} + " " + (entry.waits ? "wait" : "nowait") +
                       limits + " " + as_word(entry.user + (entry.group.empty() ? "" : ":" + entry.group)) +
                       " " + (entry.internal ? "internal" : as_word(entry.program));
    for (const std::string& argument : entry.arguments)
        line += " " + as_word(argument);
    return line + "\n";
}

void check_complaint(const InetdComplaint& complaint, std::ptrdiff_t lines) {
    constexpr std::string_view fields[] = {"service", "socket type", "protocol", "wait",
                                           "user",    "program",     "arguments"};
    constexpr std::size_t sentence_bytes_max = 1000;
    const std::string& sentence = complaint.sentence;
    must(complaint.line >= 1 && complaint.line <= lines, "a complaint's line is one of the file");
    must(std::count(std::begin(fields), std::end(fields), complaint.field) == 1, "a complaint has a field");
    must(!sentence.empty() && sentence.size() <= sentence_bytes_max, "a sentence is short");
    must(is_utf8(sentence) && printable(sentence) == sentence, "a sentence is one line of UTF-8");
}

template <typename Rows>
void check_order(const Rows& rows) {
    must(std::is_sorted(rows.begin(), rows.end(), [](auto& a, auto& b) { return a.line < b.line; }),
         "the order is that of the lines");
}

void check_entry(const InetdEntry& entry) {
    must((entry.port == 0) == (entry.protocol == InetdProtocol::unix_domain), "a port is known");
    must(!entry.user.empty(), "a user is known");
    must(entry.internal == entry.program.empty() && entry.internal == entry.arguments.empty(),
         "there is a program with arguments, or none");
    must(!entry.internal || !internal_service(entry).empty(), "an internal service is one of the five");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string text{reinterpret_cast<const char*>(data), size};
    InetdConf conf = parse_inetd_conf(text, some_port);
    const std::ptrdiff_t lines = std::count(text.begin(), text.end(), '\n') + 1;
    for (const InetdComplaint& complaint : conf.complaints)
        check_complaint(complaint, lines);
    check_order(conf.complaints);
    check_order(conf.entries);

    std::string again;
    for (InetdEntry& entry : conf.entries) {
        check_entry(entry);
        again += as_line(entry);
        entry.line = static_cast<int>(std::count(again.begin(), again.end(), '\n'));
    }
    must(parse_inetd_conf(again, some_port).entries == conf.entries, "what is written is read again");
    return 0;
}
