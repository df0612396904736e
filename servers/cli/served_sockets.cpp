#include "servers/cli/served_sockets.hpp"

#include <netinet/in.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <boost/json.hpp>
#include <charconv>
#include <filesystem>
#include <stdexcept>
#include <system_error>
#include <unordered_map>
#include <utility>

#include "core/resolve.hpp"
#include "pool/connection_list.hpp"
#include "pool/control_line.hpp"
#include "servers/cli/server_answer.hpp"
#include "servers/control_socket.hpp"

namespace bullpen {
namespace {

namespace fs = std::filesystem;
namespace json = boost::json;

constexpr std::chrono::seconds patience{10};

struct KnownListener {
    Address address;
    std::string pool;
};

struct KnownServer {
    pid_t master = 0;
    std::vector<std::string> pools;
    std::vector<KnownListener> listeners;
};

KnownServer read_status(const std::string& line) {
    const json::value answer = read_answer(line);
    KnownServer server;
    const json::object& status = answer.as_object().at("server").as_object();
    server.master = static_cast<pid_t>(status.at("master_pid").as_int64());
    for (const json::value& pool : status.at("pools").as_array()) {
        server.pools.emplace_back(pool.at("name").as_string().c_str());
        for (const json::value& listener : pool.at("listeners").as_array())
            for (const Address& address : resolve(listener.at("address").as_string().c_str()))
                server.listeners.push_back({address, server.pools.back()});
    }
    return server;
}

std::string whole_file(const UniqueFd& file) {
    struct stat about {};
    if (!file || ::fstat(file.get(), &about) != 0)
        throw std::runtime_error{"the server's answer lacks the list of its connections"};
    std::string text(static_cast<std::size_t>(about.st_size), '\0');
    const ssize_t size = ::pread(file.get(), text.data(), text.size(), 0);
    text.resize(size < 0 ? 0 : static_cast<std::size_t>(size));
    return text;
}

/// The number in "socket:[123]", what a descriptor in /proc leads to; 0: it is no socket, or gone.
std::uint32_t inode_of(const fs::path& descriptor) {
    std::error_code gone;
    const std::string target = fs::read_symlink(descriptor, gone).string();
    constexpr std::string_view begin = "socket:[";
    std::uint32_t inode = 0;
    if (!gone && target.starts_with(begin))
        std::from_chars(target.data() + begin.size(), target.data() + target.size(), inode);
    return inode;
}

/// Which part of the server has the socket with an inode.
class Owners {
public:
    Owners(pid_t master, const std::vector<ListedPool>& pools) {
        const fs::path of_master = fs::path{"/proc"} / std::to_string(master) / "fd";
        for (const ListedPool& pool : pools) {
            if (is_for_its_processes_to_say(pool)) add_processes(pool);
            for (const ListedConnection& connection : pool.connections)
                if (const std::uint32_t inode = inode_of(of_master / std::to_string(connection.fd));
                    inode != 0)
                    owners_[inode] = {
                        .place = connection.queued ? SocketPlace::queued : place_of(connection.where),
                        .first_slot = connection.slot,
                        .last_slot = connection.slot,
                        .age = connection.age};
        }
    }

    /// Puts the place into a socket that isn't a listener.
    void settle(ServedSocket& socket) const {
        const SocketRecord& record = socket.record;
        const auto found = owners_.find(record.inode);
        if (found != owners_.end() && record.inode != 0) {
            const Owner& owner = found->second;
            socket.place = owner.place;
            socket.first_slot = owner.first_slot;
            socket.last_slot = owner.last_slot;
            socket.pid = owner.pid;
            socket.age = owner.age;
        } else if (record.inode == 0 &&
                   (record.state == SocketState::established || record.state == SocketState::close_wait ||
                    record.state == SocketState::syn_received)) {
            socket.place = SocketPlace::backlog;
        }
    }

private:
    struct Owner {
        SocketPlace place = SocketPlace::kernel;
        std::uint32_t first_slot = 0;
        std::uint32_t last_slot = 0;
        pid_t pid = 0;
        std::optional<std::chrono::milliseconds> age{};
    };

    static SocketPlace place_of(Where where) noexcept {
        switch (where) {
            case Where::waiting: return SocketPlace::waiting;
            case Where::parked: return SocketPlace::parked;
            case Where::given: break;
        }
        return SocketPlace::slot;
    }

    /// The master has no copy of what workers have accepted, or of what it has given to a program.
    static bool is_for_its_processes_to_say(const ListedPool& pool) {
        const auto is_given_away = [](const ListedConnection& connection) { return connection.fd < 0; };
        return pool.connections.empty() ||
               std::any_of(pool.connections.begin(), pool.connections.end(), is_given_away);
    }

    /// Of a program's client the master knows it, of one that a worker has accepted the worker.
    static std::optional<std::chrono::milliseconds> age_at(const ListedWorkers& workers,
                                                           const ListedPool& pool) {
        for (const ListedConnection& connection : pool.connections)
            if (connection.fd < 0 && connection.slot == workers.slots.first) return connection.age;
        return workers.busy;
    }

    void add_processes(const ListedPool& pool) {
        for (const ListedWorkers& workers : pool.workers) {
            const auto age = age_at(workers, pool);
            std::error_code gone;
            const fs::path directory = fs::path{"/proc"} / std::to_string(workers.pid) / "fd";
            for (auto entry = fs::directory_iterator{directory, gone};
                 !gone && entry != fs::directory_iterator{}; entry.increment(gone))
                if (const std::uint32_t inode = inode_of(entry->path()); inode != 0)
                    owners_[inode] = {.place = SocketPlace::process,
                                      .first_slot = workers.slots.first,
                                      .last_slot = workers.slots.end - 1,
                                      .pid = workers.pid,
                                      .age = age};
        }
    }

    std::unordered_map<std::uint32_t, Owner> owners_;
};

std::vector<Address> addresses_of(const std::vector<KnownListener>& listeners, int type) {
    std::vector<Address> addresses;
    for (const KnownListener& listener : listeners)
        if (listener.address.type() == type && listener.address.protocol() == 0)
            addresses.push_back(listener.address);
    return addresses;
}

}  // namespace

std::string describe_place(const ServedSocket& socket) {
    switch (socket.place) {
        case SocketPlace::listener: return "listener";
        case SocketPlace::backlog: return "backlog";
        case SocketPlace::waiting: return "waiting";
        case SocketPlace::parked: return "parked";
        case SocketPlace::kernel: return "kernel";
        case SocketPlace::queued: return "behind slot " + std::to_string(socket.first_slot);
        case SocketPlace::slot:
        case SocketPlace::process: break;
    }
    if (socket.first_slot == socket.last_slot) return "slot " + std::to_string(socket.first_slot);
    return "slots " + std::to_string(socket.first_slot) + "-" + std::to_string(socket.last_slot);
}

ServerSockets sockets_of(const ServerName& name) {
    ControlClient first = reach("sockets", name);
    const KnownServer server = read_status(first.ask("status", false, patience));
    ControlClient second = reach("sockets", name);
    (void)read_answer(second.ask(connections_command.name, false, patience));
    const Owners owners{server.master, read_connection_list(whole_file(second.take_attachment()))};

    ServerSockets all{.pools = server.pools, .sockets = {}};
    const auto take = [&](const SocketRecord& record) {
        for (const KnownListener& listener : server.listeners) {
            if (!is_of_listener(record.local, listener.address)) continue;
            ServedSocket socket{.record = record, .pool = listener.pool};
            const bool is_connected = record.state == SocketState::established;  // To a busy peer.
            const bool takes_datagrams = record.local.type() == SOCK_DGRAM && !is_connected;
            if (record.state == SocketState::listen || takes_datagrams)
                socket.place = SocketPlace::listener;
            else
                owners.settle(socket);
            all.sockets.push_back(std::move(socket));
            return;
        }
    };
    visit_ip_sockets(IPPROTO_TCP, addresses_of(server.listeners, SOCK_STREAM), TcpDetail::numbers, take);
    visit_ip_sockets(IPPROTO_UDP, addresses_of(server.listeners, SOCK_DGRAM), TcpDetail::none, take);
    visit_unix_sockets(take);
    return all;
}

}  // namespace bullpen
