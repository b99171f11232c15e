import assert from 'node:assert/strict'
import type { Rule } from '../rule.ts'

export const s03: Rule = {
  id: 'S3',
  boots: ['snp'],
  async check(t) {
    const guest = await t.guest('snp')
    const seen = await guest.root(
      '. /etc/os-release; echo "$ID $VERSION_ID"; uname -r; test -d /sys/firmware/efi && echo UEFI; ls -l ' +
        '/boot/vmlinuz-$(uname -r) >/dev/null && dpkg -S /boot/vmlinuz-$(uname -r)',
    )
    t.note('looked at the guest', seen.replaceAll('\n', ', '))
    assert.match(seen, /debian 13/)
    assert.match(seen, /UEFI/)
    assert.match(seen, /linux-image-.*: \/boot\/vmlinuz/)
  },
}
