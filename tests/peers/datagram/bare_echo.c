/* The least that a prefork server of datagrams must do: processes that share a socket, receive, and send back. No account,
 * no log, no limit, no address that an answer leaves from. bare_echo PORT WORKERS */
#include <arpa/inet.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

int main(int argc, char** argv) {
    if (argc != 3) return 2;
    const struct sockaddr_in own = {.sin_family = AF_INET,
                                    .sin_port = htons((unsigned short)atoi(argv[1])),
                                    .sin_addr = {htonl(INADDR_LOOPBACK)}};
    const int server = socket(AF_INET, SOCK_DGRAM, 0);
    if (bind(server, (const struct sockaddr*)&own, sizeof own) != 0) return 1;
    for (int i = 1; i < atoi(argv[2]); ++i)
        if (fork() == 0) {
            prctl(PR_SET_PDEATHSIG, SIGKILL);
            break;
        }
    for (;;) {
        char bytes[65536];
        struct sockaddr_storage client;
        socklen_t size = sizeof client;
        const ssize_t got = recvfrom(server, bytes, sizeof bytes, 0, (struct sockaddr*)&client, &size);
        if (got >= 0) sendto(server, bytes, (size_t)got, 0, (struct sockaddr*)&client, size);
    }
}
