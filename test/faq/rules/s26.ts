import assert from 'node:assert/strict'
import { refused } from '../driver.ts'
import type { Rule } from '../rule.ts'

export const s26: Rule = {
  id: 'S26',
  boots: ['tdx'],
  async check(t) {
    const body = await t.driver.vmBody('s26')
    body.properties.additionalCapabilities = { nestedVirtualizationEnabled: true }
    await refused(t, {
      what: 'a VM with nested virtualisation',
      method: 'PUT',
      path: t.driver.vm('s26'),
      body,
      status: 400,
      code: 'NotSupported',
      rule: 'S26',
    })
    const guest = await t.guest('tdx')
    const flags = await guest.root(
      'flags=$(grep -m1 ^flags /proc/cpuinfo); tr " " "\\n" <<<"$flags" | grep -cxE "vmx|svm" || true; ls /dev/kvm 2>&1 || true',
    )
    t.note('looked for VMX, SVM and /dev/kvm in the guest', flags.replaceAll('\n', '; '))
    assert.match(flags, /^0\n.*No such file/)
  },
}
