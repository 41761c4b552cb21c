/* SPDX-License-Identifier: GPL-2.0-only */
#include "key.h"

#include <errno.h>
#include <stdio.h>
#include <unistd.h>

#include <bpf/bpf.h>

#include "base/secret.h"
#include "crypto/rng.h"

static int pin_path(const char *pin_dir, char ret_path[256])
{
	return snprintf(ret_path, 256, "%s/image_key", pin_dir) < 256 ? 0 : -ENAMETOOLONG;
}

/* Filled before it is pinned: what is pinned has a key. */
static int make(const char *path, uint8_t key[IMAGE_KEY_OCTETS])
{
	const uint32_t zero = 0;
	int err = rng_bytes(key, IMAGE_KEY_OCTETS), fd;

	if (err)
		return err;
	fd = bpf_map_create(BPF_MAP_TYPE_ARRAY, "image_key", sizeof(zero), IMAGE_KEY_OCTETS, 1,
			    NULL);
	if (fd < 0)
		return fd;
	err = bpf_map_update_elem(fd, &zero, key, BPF_ANY);
	if (!err)
		err = bpf_obj_pin(fd, path);
	close(fd);
	return err;
}

static bool is_key(int fd)
{
	struct bpf_map_info i = { 0 };
	uint32_t len = sizeof(i);

	return !bpf_obj_get_info_by_fd(fd, &i, &len) && i.type == BPF_MAP_TYPE_ARRAY &&
	       i.key_size == 4 && i.value_size == IMAGE_KEY_OCTETS && i.max_entries == 1;
}

int image_key_get(const char *pin_dir, uint8_t ret_key[IMAGE_KEY_OCTETS])
{
	uint8_t key[IMAGE_KEY_OCTETS] = { 0 };
	const uint32_t zero = 0;
	char path[256];
	int err = pin_path(pin_dir, path), fd;

	if (err)
		return err;
	fd = bpf_obj_get(path);
	if (fd == -ENOENT) {
		err = make(path, key);
	} else if (fd < 0) {
		err = fd;
	} else {
		err = is_key(fd) ? bpf_map_lookup_elem(fd, &zero, key) : -EINVAL;
		close(fd);
	}
	for (int i = 0; !err && i < IMAGE_KEY_OCTETS; i++)
		ret_key[i] = key[i];
	secret_wipe(key, sizeof(key));
	return err;
}

int image_key_wipe(const char *pin_dir)
{
	const uint8_t none[IMAGE_KEY_OCTETS] = { 0 };
	const uint32_t zero = 0;
	char path[256];
	int err = pin_path(pin_dir, path), fd;

	if (err)
		return err;
	fd = bpf_obj_get(path);
	if (fd >= 0) {
		if (is_key(fd))
			bpf_map_update_elem(fd, &zero, none, BPF_ANY);
		close(fd);
	}
	return unlink(path) < 0 && errno != ENOENT && errno != ENOTDIR ? -errno : 0;
}
