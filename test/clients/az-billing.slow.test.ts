import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect } from 'vitest'
import { calls, note, refused, shell, suite, useShell, works } from './support/chapters.ts'

useShell('az-billing', 'Usage, cost and quotas (the stock Azure CLI)')

const vm = (name: string, size: string): string =>
  `vm create -g bill -n ${name} --image Strongroom:debian-13:cvm:latest --security-type ConfidentialVM ` +
  '--os-disk-security-encryption-type DiskWithVMGuestState --enable-vtpm true --enable-secure-boot true ' +
  `--admin-username azureuser --generate-ssh-keys --size ${size}`
const location =
  'https://management.strongroom.internal$SUB/providers/Microsoft.Compute/locations/westeurope/providers/Microsoft.Quota'
const family = 'standardDCASv5Family'

suite('Usage and cost', () => {
  calls('Usage and cost', 'a VM is made and a price list set', async () => {
    const made = await shell.shell('eval "$(strongroom env --login)" && az group create -n bill -l westeurope -o none')
    expect(made.code, made.stderr).toBe(0)
    expect((await shell.az(`${vm('cvm1', 'Standard_DC2as_v5')} --tags team=blue -o none`)).code).toBe(0)
    const items = [{ meter: 'compute', unitPrice: 0.1, unitOfMeasure: '1 Hour' }]
    await writeFile(join(shell.installation.home, 'prices.json'), JSON.stringify({ currency: 'EUR', items }))
    const set = await shell.shell('strongroom cost prices set prices.json')
    expect(set.code, set.stderr).toBe(0)
  })
  works('consumption usage list --include-meter-details', (body) => {
    const compute = body.find((one: { instanceName: string }) => one.instanceName === 'cvm1')
    expect(compute).toMatchObject({ currency: 'EUR', meterDetails: { unit: '1 Hour' }, tags: { team: 'blue' } })
    expect(Number(compute.pretaxCost)).toBeGreaterThan(0)
  })
  works('consumption usage list -s 2020-01-01 -e 2020-01-31', (body) => expect(body).toEqual([]))
  calls('Usage and cost', 'strongroom cost show', async () => {
    const shown = await shell.shell('strongroom cost show --by tag:team -o json')
    expect(shown.body, shown.stderr).toMatchObject([{ what: 'blue', currency: 'EUR' }])
    note('strongroom cost show', 'works')
  })
  refused(
    'rest -u "https://management.strongroom.internal$SUB/providers/Strongroom.Billing/focusExport?api-version=2023-05-01"',
    'az consumption usage list',
  )
})

suite('Budgets', () => {
  const month = `${new Date().toISOString().slice(0, 7)}-01`
  refused(
    `consumption budget create --budget-name tight --amount 1 --category cost --time-grain monthly -s ${month} -e 2035-01-01`,
    'strongroom cost show',
  )
  refused('consumption budget list', 'strongroom cost show')
})

suite('Quota requests', () => {
  refused(vm('big', 'Standard_DC96as_v5').replace('-n big', '-n big --count 2'), 'Cores quota', { offered: true })
  calls('Quota requests', 'az rest asks, the operator grants', async () => {
    for (const name of [family, 'cores']) {
      const body = JSON.stringify({ properties: { limit: { limitObjectType: 'LimitValue', value: 400 } } })
      const asked = await shell.az(`rest -m put -u "${location}/quotas/${name}?api-version=2023-02-01" -b '${body}'`)
      expect(asked.code, asked.stderr).toBe(0)
      expect(asked.body.properties.provisioningState).toBe('InProgress')
      const granted = await shell.shell(`strongroom quota grant ${asked.body.name}`)
      expect(granted.code, granted.stderr).toBe(0)
    }
    note(`az rest -m put -u …/Microsoft.Quota/quotas/${family}`, 'works')
    const usage = await shell.az('vm list-usage -l westeurope')
    const found = usage.body.find((one: { name: { value: string } }) => one.name.value === family)
    expect(Number(found.limit)).toBe(400)
  })
})
