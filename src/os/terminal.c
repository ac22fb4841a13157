/* terminal.c: whether somebody looks at our output, and how wide it is. Any thread. */
#include "os/os.h"

#include <sys/ioctl.h>
#include <unistd.h>

#define COLUMNS_DEFAULT 80

bool ig_is_terminal(int fd) {
    return isatty(fd) == 1;
}

int ig_terminal_columns(int fd) {
    struct winsize size;
    if (ioctl(fd, TIOCGWINSZ, &size) != 0 || size.ws_col == 0)
        return COLUMNS_DEFAULT;
    return size.ws_col;
}
