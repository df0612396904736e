#include "servers/inetd/inetd_pools.hpp"

#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <set>
#include <stdexcept>
#include <utility>

#include <bullpen/ip_address.hpp>
#include "core/printable.hpp"
#include "core/run_as.hpp"
#include "servers/inetd/inetd_models.hpp"
#include "servers/inetd/inetd_protocol.hpp"
#include "servers/models/models.hpp"
#include "servers/services/form.hpp"
#include "servers/settings/make_pool.hpp"

namespace bullpen {
namespace {

/// What is wrong with one field of a line.
class FieldError : public std::runtime_error {
public:
    FieldError(std::string field, const std::string& sentence)
        : std::runtime_error{sentence}, field_{std::move(field)} {}
    [[nodiscard]] const std::string& field() const noexcept { return field_; }

private:
    std::string field_;
};

bool has_ipv6() noexcept {
    return UniqueFd{::socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0)}.get() >= 0;
}

/// Where a line without addresses listens. Of both families those that this machine has.
std::vector<std::string> wildcards_of(InetdProtocol protocol) {
    const InetdProtocolRow& row = row_of(protocol);
    // One socket for both families takes IPv6 addresses only. Ours are two, one of each.
    const bool is_for_both = protocol == InetdProtocol::tcp46 || protocol == InetdProtocol::udp46;
    const bool has_v4 = row.takes_v4 || is_for_both;
    std::vector<std::string> hosts;
    if (has_v4) hosts.emplace_back("0.0.0.0");
    if (row.takes_v6 && (!has_v4 || has_ipv6())) hosts.emplace_back("[::]");
    return hosts;
}

/// As Options::listen takes them.
std::vector<std::string> listeners_of(const InetdEntry& entry) {
    const bool datagrams = entry.socket == InetdSocket::dgram;
    if (entry.protocol == InetdProtocol::unix_domain) {
        const bool packets = entry.socket == InetdSocket::seqpacket;
        return {(datagrams ? "unixgram:" : packets ? "seqpacket:" : "unix:") + entry.service};
    }
    std::vector<std::string> hosts = entry.addresses.empty() ? wildcards_of(entry.protocol) : entry.addresses;
    for (std::string& host : hosts) {
        if (host.find(':') != std::string::npos && !host.starts_with('[')) host = "[" + host + "]";
        host = (datagrams ? "udp:" : "") + host + ":" + std::to_string(entry.port);
    }
    return hosts;
}

/// A name may stand for several addresses, and each socket that is lent needs a worker of its own.
void need_numbers(const InetdEntry& entry) {
    for (const std::string& address : entry.addresses)
        if (address != "*" && !IpAddress::parse(address))
            throw FieldError{"service",
                             "'" + printable(address) +
                                 "' is a host's name; a program that waits needs addresses as numbers, "
                                 "because each has a socket of its own"};
}

RunAs user_of(const InetdEntry& entry) {
    RunAs who;
    try {
        who = parse_run_as(entry.user, entry.group);
    } catch (const std::invalid_argument& error) {
        throw FieldError{"user", error.what()};
    }
    if (::geteuid() != 0 && !is_already(who))
        throw FieldError{"user", "only root may run programs as another user: '" + printable(entry.user) +
                                     "' is " + std::to_string(who.user) + ", and this is user " +
                                     std::to_string(::geteuid())};
    return who;
}

/// An internal service has no use for root's rights.
RunAs internal_user_of(const InetdEntry& entry) {
    const RunAs who = user_of(entry);
    if (who.user != 0 || ::geteuid() != 0) return who;
    try {
        return parse_run_as("nobody", "");
    } catch (const std::invalid_argument&) {
        return who;
    }
}

void check_program(const InetdEntry& entry) {
    if (::access(entry.program.c_str(), X_OK) == 0) return;
    throw FieldError{"program",
                     "'" + printable(entry.program) + "' can't be executed: " + std::strerror(errno)};
}

std::vector<std::string> variables_for(const RunAs& who, bool home) {
    std::vector<std::string> variables{"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"};
    if (home) variables.push_back("HOME=" + who.home);
    return variables;
}

/// What replaces workers when it changes.
std::vector<SettingText> texts_of(const InetdEntry& entry, const PoolOptions& pool) {
    std::vector<SettingText> texts{{"program", entry.program}, {"user", entry.user + ":" + entry.group}};
    for (const std::string& argument : entry.arguments)
        texts.push_back({"argument", argument});
    for (const std::string& variable : pool.program_setting.variables)
        texts.push_back({"variable", variable});
    texts.push_back({"listen_fds", pool.program_setting.listen_fds ? "on" : "off"});
    return texts;
}

/// Datagrams have no connection that a program could get instead.
bool lends_socket(const InetdEntry& entry) noexcept {
    return entry.waits || entry.socket == InetdSocket::dgram;
}

/// A datagram holds no connection, and its sender has no user.
AdmissionOptions as_for_datagrams(AdmissionOptions options) {
    options.allow_uid = options.allow_gid = {};
    options.early_drop = {};
    options.sources.connections_max = 0;
    return options;
}

/// With the flags' settings that go with the model; the others are as without flags.
PoolOptions new_pool(const Model& model, const InetdTerms& terms) {
    PoolOptions pool = terms.pool.pool;
    if (!model.master_accepts()) {
        const PoolOptions usual;
        pool.admission = model.form == Form::datagram ? as_for_datagrams(pool.admission) : usual.admission;
        pool.limits = usual.limits;
        pool.request_timeout = usual.request_timeout;  // Nobody waits for the end of a run.
    }
    pool.design = model;
    if (model.form == Form::program) pool.listen_options.slice = {};  // Programs expect no time-outs.
    pool.model = model.name;
    return pool;
}

PoolOptions program_pool(const InetdEntry& entry, const InetdTerms& terms) {
    check_program(entry);
    const bool lends = lends_socket(entry);
    if (lends) need_numbers(entry);
    PoolOptions pool = new_pool(lends ? inetd_wait : inetd_nowait, terms);
    pool.run_as = user_of(entry);
    pool.program = {.argv = entry.arguments};
    pool.program_setting = {.path = entry.program,
                            .variables = variables_for(*pool.run_as, terms.home),
                            .listen_fds = terms.listen_fds};
    constexpr int usual_starts = 256;  // As openbsd-inetd, against a program that leaves its input there.
    pool.starts_a_minute = lends && entry.max_a_minute == 0 ? usual_starts : entry.max_a_minute;
    if (!lends && entry.max_per_source > 0) pool.admission.sources.connections_max = entry.max_per_source;
    pool.of_workers = texts_of(entry, pool);
    return pool;
}

PoolOptions internal_pool(const InetdEntry& entry, const InetdTerms& terms) {
    const Model& model = entry.socket == InetdSocket::dgram ? inetd_datagrams : prefork;
    PoolOptions pool = new_pool(model, terms);
    pool.run_as = internal_user_of(entry);
    const std::string_view name = internal_service(entry);
    const auto service = std::find_if(services().begin(), services().end(),
                                      [name](const Service& one) { return one.name == name; });
    if (service == services().end() || !set_form(pool, *service, {}).empty())
        throw FieldError{"service", "'" + printable(entry.service) + "' is no internal service"};
    pool.starts_a_minute = entry.max_a_minute;
    if (model.master_accepts() && entry.max_per_source > 0)
        pool.admission.sources.connections_max = entry.max_per_source;
    pool.of_workers = texts_of(entry, pool);
    return pool;
}

std::string name_of(const InetdEntry& entry) {
    std::string name;
    for (const std::string& address : entry.addresses)
        name += (name.empty() ? "" : ",") + address;
    if (!name.empty()) name += ":";
    name += printable(entry.service);
    name.append("/").append(row_of(entry.protocol).name);
    if (entry.internal) return name + "/internal";
    return lends_socket(entry) ? name + "/wait" : name;
}

InetdService make_service(const InetdEntry& entry, const InetdTerms& terms) {
    InetdService service{.entry = &entry, .pools = {}};
    PoolOptions pool = entry.internal ? internal_pool(entry, terms) : program_pool(entry, terms);
    pool.name = name_of(entry);
    const std::vector<std::string> listeners = listeners_of(entry);
    if (!pool.design.lends_listener) {
        pool.listen = listeners;
        service.pools.push_back(std::move(pool));
    } else {
        for (const std::string& listener : listeners) {
            service.pools.push_back(pool);
            service.pools.back().listen = {listener};
            if (listeners.size() > 1) service.pools.back().name += "/" + listener;
        }
    }
    for (const PoolOptions& one : service.pools)
        check(one, "", spell_as_flag);
    return service;
}

}  // namespace

InetdPools make_inetd_pools(const InetdConf& conf, const InetdTerms& terms) {
    InetdPools made;
    made.complaints = conf.complaints;
    for (const InetdEntry& entry : conf.entries) {
        try {
            made.services.push_back(make_service(entry, terms));
        } catch (const FieldError& error) {
            made.complaints.push_back({.line = entry.line, .field = error.field(), .sentence = error.what()});
        }
    }
    std::stable_sort(made.complaints.begin(), made.complaints.end(),
                     [](const InetdComplaint& a, const InetdComplaint& b) { return a.line < b.line; });
    return made;
}

}  // namespace bullpen
