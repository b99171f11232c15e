import assert from 'node:assert/strict'
import type { Loose } from '../driver.ts'
import type { Rule } from '../rule.ts'

export const s15: Rule = {
  id: 'S15',
  boots: ['snp'],
  async check(t) {
    const guest = await t.guest('snp')
    const seen = await guest.root(
      `export TPM2TOOLS_TCTI=device:/dev/tpmrm0; cd "$(mktemp -d)"; printf sealed-secret >in
       tpm2_create -Q -C 0x81000001 -i in -u pub -r priv; tpm2_load -Q -C 0x81000001 -u pub -r priv -c ctx; tpm2_unseal -c ctx`,
    )
    t.note('sealed a secret to the VM’s own vTPM and unsealed it', seen)
    assert.equal(seen, 'sealed-secret')
    await guest.root('/usr/lib/strongroom/health')
    const { statuses } = await guest.instanceView()
    const tpm = (statuses as Loose[]).find(({ code }) => code.startsWith('VirtualTpm/'))
    t.note('asked the instance view for the vTPM', `${tpm?.code}: ${tpm?.message ?? tpm?.displayStatus}`)
    assert.equal(tpm?.code, 'VirtualTpm/ready')
  },
}
