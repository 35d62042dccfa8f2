/* SPDX-License-Identifier: MIT
 * What a program may say to a mounted oatomic volume: names of extended attributes, for
 * setxattr(2) and getxattr(2), and numbers of ioctls. docs/semantics.md says what each means.
 * The structures of exchange-range are those of XFS; its own header has the same.
 */
#ifndef OATOMIC_H
#define OATOMIC_H

#include <linux/ioctl.h>
#include <linux/types.h>

/* Set to "1", "shared" or "isolated": the file is atomic. */
#define OATOMIC_XATTR "user.atomic"
/* "publish", "discard" or "keep". */
#define OATOMIC_XATTR_ONCLOSE "user.atomic.onclose"
/* Read only. On every file of a mounted volume, and nowhere else: this is the probe. */
#define OATOMIC_XATTR_STATE "user.atomic.state"
#define OATOMIC_XATTR_LIMITS "user.atomic.limits"
/* Write only. Of a folder: names of files below it, one on each line, published in one commit. */
#define OATOMIC_XATTR_COMMIT "user.atomic.commit"
#define OATOMIC_XATTR_ROLLBACK "user.atomic.rollback"
/* Files of one name and owner are published together. */
#define OATOMIC_XATTR_GROUP "user.atomic.group"

/* Updates of one file, as F2FS has them. None takes an argument but GET_FEATURES. */
#define OATOMIC_IOC_START _IO(0xf5, 1)
#define OATOMIC_IOC_COMMIT _IO(0xf5, 2)
#define OATOMIC_IOC_ABORT _IO(0xf5, 5)
#define OATOMIC_IOC_START_REPLACE _IO(0xf5, 25)
#define OATOMIC_IOC_GET_FEATURES _IOR(0xf5, 12, __u32)
#define OATOMIC_FEATURE_ATOMIC_WRITE 0x0004

/* Exchange of content between two files, as XFS has it. */
struct oatomic_exchange_range {
	__s32 file1_fd;
	__u32 pad;
	__u64 file1_offset;
	__u64 file2_offset;
	__u64 length;
	__u64 flags;
};
#define OATOMIC_EXCHANGE_TO_EOF (1ULL << 0)
#define OATOMIC_EXCHANGE_DSYNC (1ULL << 1)
#define OATOMIC_EXCHANGE_DRY_RUN (1ULL << 2)
#define OATOMIC_EXCHANGE_FILE1_WRITTEN (1ULL << 3)
#define OATOMIC_IOC_EXCHANGE_RANGE _IOW('X', 129, struct oatomic_exchange_range)

#endif
