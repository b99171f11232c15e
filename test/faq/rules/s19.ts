import assert from 'node:assert/strict'
import { refused } from '../driver.ts'
import type { Rule } from '../rule.ts'

const sealing = `export TPM2TOOLS_TCTI=device:/dev/tpmrm0; cd /var/lib`

export const s19: Rule = {
  id: 'S19',
  boots: ['snp', 'tdx'],
  async check(t) {
    const path = t.driver.vm('s19')
    const size = (vmSize: string): object => ({ properties: { hardwareProfile: { vmSize } } })
    await t.driver.run('PUT', path, await t.driver.vmBody('s19'))
    for (const [what, to] of [
      ['to a size with a temporary disk', 'Standard_DC2eds_v5'],
      ['to a series that does not convert', 'Standard_DC2es_v6'],
    ] as const)
      await refused(t, {
        what,
        method: 'PATCH',
        path,
        body: size(to),
        status: 409,
        code: 'OperationNotAllowed',
        rule: 'S19',
      })
    await t.driver.remove('s19')
    const before = await t.guest('snp')
    await before.root(
      `${sealing}; echo kept >kept; printf sealed-on-amd >in; tpm2_create -Q -C 0x81000001 -i in -u s19.pub -r s19.priv; rm in`,
    )
    const after = await t.guest('tdx')
    const seen = await after.root(
      `${sealing}; cat kept; tpm2_load -Q -C 0x81000001 -u s19.pub -r s19.priv -c s19.ctx; tpm2_unseal -c s19.ctx`,
    )
    t.note(
      'converted a really booted VM from AMD SEV-SNP to Intel TDX and booted it there',
      seen.replaceAll('\n', ', '),
    )
    assert.equal(seen, 'kept\nsealed-on-amd')
    const { trusted } = await after.trust()
    t.note('verified the evidence of that boot', trusted ? 'every link holds' : 'not trusted')
    assert.equal(trusted, true)
  },
}
