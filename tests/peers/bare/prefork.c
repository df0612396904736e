/* The least that a preforked server must do, in two designs. `accept`: the workers accept. `handoff`: a master accepts,
 * passes each connection to an idle worker by SCM_RIGHTS and keeps its own descriptor of it until the worker has counted it
 * as ended; the master is woken for that only if it sleeps. No limit, no book, no death is seen to, and any request is
 * answered with the same 128 bytes, after 20 ms if its path begins with /slow. What `handoff` takes more than `accept` is
 * the price of a handoff on this machine, whoever hands off. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <netinet/in.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { workers_most = 64 };

static char answer[256];
static int answer_bytes;

/* In memory that all share; each count has a cache line of its own. */
static struct shared {
    _Atomic uint32_t master_sleeps;
    struct {
        _Alignas(64) _Atomic uint32_t ended;
    } worker[workers_most];
} *shared;

static void answer_one(int client) {
    char request[2048];
    const ssize_t bytes = recv(client, request, sizeof request - 1, 0);
    if (bytes <= 0) return;
    request[bytes] = '\0';
    if (strncmp(request, "GET /slow", 9) == 0) nanosleep(&(struct timespec){.tv_nsec = 20000000}, NULL);
    send(client, answer, answer_bytes, MSG_NOSIGNAL);
}

/* As Bullpen's workers: one that becomes ready doesn't interrupt another. */
static void become_worker(void) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    sched_setscheduler(0, SCHED_BATCH, &(struct sched_param){0});
}

static void work_accepting(int listener) {
    become_worker();
    for (;;) {
        const int client = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
        if (client < 0) continue;
        answer_one(client);
        close(client);
    }
}

/* One message with one descriptor: sent if it isn't -1, else received. */
static int pass(int channel, int descriptor) {
    char byte = 0;
    _Alignas(struct cmsghdr) char control[CMSG_SPACE(sizeof descriptor)];
    struct iovec bytes = {&byte, 1};
    struct msghdr message = {
        .msg_iov = &bytes, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control};
    struct cmsghdr *const rights = CMSG_FIRSTHDR(&message);
    if (descriptor >= 0) {
        *rights = (struct cmsghdr){CMSG_LEN(sizeof descriptor), SOL_SOCKET, SCM_RIGHTS};
        memcpy(CMSG_DATA(rights), &descriptor, sizeof descriptor);
        return (int)sendmsg(channel, &message, MSG_NOSIGNAL);
    }
    if (recvmsg(channel, &message, MSG_CMSG_CLOEXEC) <= 0) exit(0);
    memcpy(&descriptor, CMSG_DATA(rights), sizeof descriptor);
    return descriptor;
}

static void work_for_master(int number, int channel, int wake_master) {
    become_worker();
    for (;;) {
        const int client = pass(channel, -1);
        answer_one(client);
        shutdown(client, SHUT_RDWR);
        close(client);
        atomic_fetch_add(&shared->worker[number].ended, 1);
        if (atomic_load(&shared->master_sleeps)) eventfd_write(wake_master, 1);
    }
}

/* copy: the master's descriptor of what the worker serves, or -1. */
static struct seat {
    int channel, copy;
    uint32_t given;
} seats[workers_most];
static int workers;

static int take_back_ended(void) {
    int ended = 0;
    for (int i = 0; i < workers; ++i)
        if (seats[i].copy >= 0 && atomic_load(&shared->worker[i].ended) == seats[i].given) {
            close(seats[i].copy);
            seats[i].copy = -1;
            ++ended;
        }
    return ended;
}

static struct seat *idle_seat(void) {
    for (int i = 0; i < workers; ++i)
        if (seats[i].copy < 0) return &seats[i];
    return NULL;
}

static void hand_off(int listener) {
    for (;;) {
        take_back_ended();
        struct seat *const seat = idle_seat();
        if (!seat) return;
        const int client = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
        if (client < 0) return;
        seat->copy = client;
        ++seat->given;
        pass(seat->channel, client);
    }
}

static void be_master(int listener, int wake) {
    const int events = epoll_create1(EPOLL_CLOEXEC);
    epoll_ctl(events, EPOLL_CTL_ADD, listener, &(struct epoll_event){.events = EPOLLIN});
    epoll_ctl(events, EPOLL_CTL_ADD, wake, &(struct epoll_event){.events = EPOLLIN | EPOLLET});
    for (;;) {
        struct epoll_event ready[2];
        atomic_store(&shared->master_sleeps, 1);
        epoll_wait(events, ready, 2, take_back_ended() > 0 ? 0 : -1);
        atomic_store(&shared->master_sleeps, 0);
        hand_off(listener);
    }
}

int main(int argc, char **argv) { /* accept|handoff PORT WORKERS */
    if (argc != 4 || (workers = atoi(argv[3])) < 1 || workers > workers_most) return 2;
    const int hands_off = strcmp(argv[1], "handoff") == 0, on = 1;
    const int listener = socket(AF_INET, SOCK_STREAM | (hands_off ? SOCK_NONBLOCK : 0), 0);
    struct sockaddr_in here = {.sin_family = AF_INET, .sin_port = htons((unsigned short)atoi(argv[2]))};
    here.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (bind(listener, (struct sockaddr *)&here, sizeof here) != 0 || listen(listener, 4096) != 0) return 1;

    answer_bytes = sprintf(answer, "HTTP/1.1 200 OK\r\nContent-Length: 128\r\nConnection: close\r\n\r\n%0128d", 0);
    shared = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    const int wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    for (int i = 0; i < workers; ++i) {
        int ends[2];
        socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends);
        if (fork() == 0) {
            if (hands_off) work_for_master(i, ends[1], wake);
            work_accepting(listener);
        }
        close(ends[1]);
        seats[i] = (struct seat){.channel = ends[0], .copy = -1};
    }
    if (hands_off) be_master(listener, wake);
    pause();
    return 0;
}
