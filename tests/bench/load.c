/* A load of Modbus TCP masters: each sends its one request again as soon as the answer is there.
 *
 *   load PORT MASTERS COUNT SECONDS    COUNT registers from address 0 of unit 1
 *
 * Prints requests/s, the latency's median and 99th percentile in microseconds, and its own share of a processor: as
 * long as that is well below 1, it is the server that is waited for. */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { ANSWER_MAX = 260, MASTERS_MAX = 4096, SAMPLES_MAX = 1 << 22, WARM_UP_PERCENT = 20 };

struct master { int fd; int got; double sent_at; unsigned char answer[ANSWER_MAX]; };
static struct master masters[MASTERS_MAX];
static float samples[SAMPLES_MAX];

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec + t.tv_nsec * 1e-9;
}

static double cpu(void) {
    struct rusage u;
    getrusage(RUSAGE_SELF, &u);
    return u.ru_utime.tv_sec + u.ru_stime.tv_sec + (u.ru_utime.tv_usec + u.ru_stime.tv_usec) * 1e-6;
}

static int ascending(const void *a, const void *b) {
    float x = *(const float *)a, y = *(const float *)b;
    return (x > y) - (x < y);
}

static void fail(const char *what) { perror(what); exit(1); }

static void ask(struct master *m, const unsigned char *request) {
    m->got = 0;
    m->sent_at = now();
    if (send(m->fd, request, 12, 0) != 12) fail("send");
}

int main(int argc, char **argv) {
    if (argc != 5) { fprintf(stderr, "load PORT MASTERS COUNT SECONDS\n"); return 2; }
    int port = atoi(argv[1]), count = atoi(argv[2]), registers = atoi(argv[3]);
    double seconds = atof(argv[4]);
    int expected = 9 + 2 * registers, poll = epoll_create1(0), sampled = 0, one = 1;
    unsigned char request[12] = {0, 7, 0, 0, 0, 6, 1, 3, 0, 0, 0, (unsigned char)registers};
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port)};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    for (int i = 0; i < count; i++) {
        struct master *m = &masters[i];
        m->fd = socket(AF_INET, SOCK_STREAM, 0);
        if (connect(m->fd, (struct sockaddr *)&address, sizeof address)) fail("connect");
        setsockopt(m->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
        struct epoll_event event = {.events = EPOLLIN, .data.ptr = m};
        epoll_ctl(poll, EPOLL_CTL_ADD, m->fd, &event);
    }
    double begin = now(), measured_from = begin + seconds * WARM_UP_PERCENT / 100, end = begin + seconds;
    double cpu_before = 0, t = begin;
    long answers = 0;
    for (int i = 0; i < count; i++) ask(&masters[i], request);
    while (t < end) {
        struct epoll_event events[256];
        int ready = epoll_wait(poll, events, 256, 2000);
        if (ready == 0) { fprintf(stderr, "no answer for 2 s\n"); return 1; }
        for (int i = 0; i < ready; i++) {
            struct master *m = events[i].data.ptr;
            int n = recv(m->fd, m->answer + m->got, ANSWER_MAX - m->got, 0);
            if (n <= 0) fail("recv");
            m->got += n;
            if (m->got < expected) continue;
            if (m->got > expected || m->answer[7] != 3 || m->answer[1] != 7) { fprintf(stderr, "wrong answer\n"); return 1; }
            t = now();
            if (t >= measured_from) {
                if (!answers) cpu_before = cpu();
                answers++;
                if (sampled < SAMPLES_MAX) samples[sampled++] = (float)((t - m->sent_at) * 1e6);
            }
            ask(m, request);
        }
    }
    double lasted = t - measured_from;
    qsort(samples, sampled, sizeof *samples, ascending);
    printf("{\"rate\": %.0f, \"p50\": %.1f, \"p99\": %.1f, \"load_cpu\": %.3f}\n", answers / lasted,
           samples[sampled / 2], samples[(long)sampled * 99 / 100], (cpu() - cpu_before) / lasted);
    return 0;
}
