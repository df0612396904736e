#include "pool/client_queue.hpp"

#include <utility>

namespace bullpen {

bool ClientQueue::wait_for_taker() {
    std::unique_lock lock{mutex_};
    has_taker_.wait(lock, [this] { return closed_ || takers_ > clients_.size(); });
    return !closed_;
}

void ClientQueue::put(Client client) {
    const std::lock_guard guard{mutex_};
    clients_.push_back(std::move(client));
    has_client_.notify_one();
}

std::optional<Client> ClientQueue::take(const Worker& worker) {
    std::unique_lock lock{mutex_};
    ++takers_;
    if (takers_ > clients_.size()) has_taker_.notify_one();
    has_client_.wait(lock, [&] { return !clients_.empty() || closed_ || worker.told_to_leave(); });
    --takers_;
    if (clients_.empty()) return {};
    std::optional<Client> client{std::move(clients_.front())};
    clients_.pop_front();
    return client;
}

void ClientQueue::close() {
    const std::lock_guard guard{mutex_};
    closed_ = true;
    has_client_.notify_all();
    has_taker_.notify_all();
}

void ClientQueue::wake() {
    const std::lock_guard guard{mutex_};
    has_client_.notify_all();
}

}  // namespace bullpen
