/* The least that a superserver must do: three processes accept, vfork, execute the program, and wait for it. No user, no
 * environment, no log, no limit, no count. What it reaches is the most that the machine allows. */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

static void serve(int listener, char *program) {
    char *arguments[] = {"respond", NULL}, *environment[] = {NULL};
    for (;;) {
        const int client = accept(listener, NULL, NULL);
        if (client < 0) continue;
        const pid_t pid = vfork();
        if (pid == 0) {
            for (int standard = 0; standard <= 2; ++standard) dup2(client, standard);
            close(client);
            close(listener);
            execve(program, arguments, environment);
            _exit(1);
        }
        close(client);
        waitpid(pid, NULL, 0);
    }
}

int main(int argc, char **argv) { /* PORT PROGRAM */
    if (argc != 3) return 2;
    const int listener = socket(AF_INET, SOCK_STREAM, 0), on = 1;
    struct sockaddr_in here = {.sin_family = AF_INET, .sin_port = htons((unsigned short)atoi(argv[1]))};
    here.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (bind(listener, (struct sockaddr *)&here, sizeof here) != 0 || listen(listener, 4096) != 0) return 1;
    for (int i = 0; i < 3; ++i)
        if (fork() == 0) {
            prctl(PR_SET_PDEATHSIG, SIGKILL);
            serve(listener, argv[2]);
        }
    pause();
    return 0;
}
