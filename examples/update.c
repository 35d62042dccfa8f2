/* Changes two places of a file in one step: cc -I../include update.c && ./a.out FILE TEXT */
#include <fcntl.h>
#include <oatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

int main(int count, char **words)
{
	int fd = count == 3 ? open(words[1], O_RDWR) : -1;
	if (fd < 0 || ioctl(fd, OATOMIC_IOC_START) != 0) return perror("start"), 1;
	pwrite(fd, words[2], strlen(words[2]), 0);
	pwrite(fd, words[2], strlen(words[2]), 1 << 20);
	if (ioctl(fd, OATOMIC_IOC_COMMIT) != 0) return perror("commit"), 1;
	return close(fd); /* without the commit, closing or dying would have left the old file */
}
