/**
 * QEMU_KERNEL_LOADER_FS_MEDIA_GUID and LINUX_EFI_INITRD_MEDIA_GUID (edk2
 * OvmfPkg/Include/Guid/QemuKernelLoaderFsMedia.h, LinuxEfiInitrdMedia.h), in memory order.
 */
const hostNames = ['72f728144ab61e44b8c39ebdd7f893c7', '27e46855fc683d4fac74ca555231cc68'].map((hex) =>
  Buffer.from(hex, 'hex'),
)

/**
 * Code without the kernel loader. If the host provides a kernel by fw_cfg (QEMU’s -kernel), OVMF starts it even if
 * Secure Boot refuses it (“legacy linux kernel loader”), and does not measure it: it could extend the registers itself
 * to the values under which the disk’s key can be read. OVMF’s boot manager and the driver that holds the kernel find
 * each other by a name in both; here each gets a different one, so that there is no kernel to start. Nor is the host’s
 * initrd under the name that Linux and its boot stub look for. Code without these names is returned unchanged.
 */
export function withoutKernelLoader(code: Buffer): Buffer {
  const changed = Buffer.from(code)
  for (const name of hostNames) rename(changed, name)
  return changed
}

/** Replaces each occurrence of a name by a different one. */
function rename(code: Buffer, name: Buffer): void {
  let count = 0
  for (let at = code.indexOf(name); at >= 0; at = code.indexOf(name, at + 1)) {
    const last = at + name.length - 1
    count += 1
    code[last] = code[last]! ^ count
  }
}
