import { useEffect } from 'preact/hooks'
import { Facts, type Fact } from '../ui/facts.tsx'
import { Freshness } from '../ui/freshness.tsx'
import { momentOf } from '../ui/format.ts'
import { useLive } from '../ui/live.ts'
import { Problem } from '../ui/problem.tsx'
import { get, subscriptionPath, versions } from '../wire/arm.ts'
import { BootLog } from './boot-log.tsx'
import { Activity } from './activity.tsx'
import { readEvents } from './events.ts'
import { encryptionOf, groupOf, isMoving, nameOf, placeOf, powerOf, type Machine } from '../resources/machine.ts'
import { Operations } from './operations.tsx'
import { PowerActions } from './power-actions.tsx'
import { StateBadge } from './state-badge.tsx'

async function readMachine(group: string, name: string, signal: AbortSignal): Promise<Machine> {
  const path =
    `${await subscriptionPath()}/resourceGroups/${encodeURIComponent(group)}/providers/Microsoft.Compute/` +
    `virtualMachines/${encodeURIComponent(name)}`
  return await get<Machine>(`${path}?$expand=instanceView`, versions.compute, signal)
}

export function MachinePage({ group, name }: { group: string; name: string }) {
  const live = useLive(
    `machine ${group} ${name}`,
    async (signal) => await readMachine(group, name, signal),
    (machine) => (isMoving(machine) ? 1_000 : 5_000),
  )
  const machine = live.value
  return (
    <>
      <div class="head">
        <h1>
          <bdi>{name}</bdi>
        </h1>
        {machine !== undefined && (
          <StateBadge
            provisioning={machine.properties.provisioningState}
            power={powerOf(machine.properties.instanceView)}
          />
        )}
        {machine !== undefined && (
          <a class="button" href={`${placeOf(machine)}/trust`}>
            Verify its boot
          </a>
        )}
        <Freshness live={live} />
      </div>
      {live.error !== undefined && <Problem error={live.error} what="The machine could not be read." />}
      {machine === undefined && live.error === undefined && <p class="quiet">Reading …</p>}
      {machine !== undefined && <Whole machine={machine} refresh={live.refresh} />}
    </>
  )
}

function Whole({ machine, refresh }: { machine: Machine; refresh: () => void }) {
  const { properties } = machine
  const { instanceView } = properties
  const { message } = powerOf(instanceView)
  const moving = isMoving(machine)
  const events = useLive(
    `events ${machine.id}`,
    async (signal) => await readEvents(machine.id, signal),
    () => (moving ? 1_000 : 10_000),
  )
  // Shows operations begun by others at once.
  useEffect(() => events.refresh(), [moving])
  const changed = (): void => {
    refresh()
    events.refresh()
  }
  const security = properties.securityProfile
  const image = properties.storageProfile.imageReference
  return (
    <>
      {message !== undefined && <p class="why">{message}</p>}
      <PowerActions machine={machine} changed={changed} />
      <Operations events={events} location={machine.location} />
      {(instanceView?.notices ?? []).map((notice) => (
        <p class="note" key={notice}>
          <bdi>{notice}</bdi>
        </p>
      ))}
      <section class="stack">
        <h2>What it is</h2>
        <Facts
          facts={[
            ['Group', groupOf(machine.id)],
            ['Region', machine.location],
            ['Size', properties.hardwareProfile.vmSize],
            ['Image', image?.id ?? [image?.publisher, image?.offer, image?.sku, image?.version].join(':')],
            ['Security type', security?.securityType ?? 'Standard: its memory is open to the host'],
            [
              'Secure Boot, vTPM',
              [security?.uefiSettings?.secureBootEnabled, security?.uefiSettings?.vTpmEnabled]
                .map((on) => (on === true ? 'on' : 'off'))
                .join(', '),
            ],
            ['Disk encryption', encryptionOf(machine) ?? 'none of its own'],
            ['Computer name', properties.osProfile?.computerName ?? ''],
            ['Account', properties.osProfile?.adminUsername ?? 'of its image'],
            ['Made', properties.timeCreated === undefined ? '' : momentOf(properties.timeCreated)],
            ['VM id', properties.vmId],
          ]}
        />
      </section>
      <section class="stack">
        <h2>Disks, interfaces, identities</h2>
        <Facts
          facts={[
            ['OS disk', properties.storageProfile.osDisk.name ?? ''],
            ...(properties.storageProfile.dataDisks ?? []).map(({ lun, name, diskSizeGB }): Fact => [
              `Data disk at LUN ${lun}`,
              `${name ?? ''} ${diskSizeGB === undefined ? '' : `(${diskSizeGB} GB)`}`,
            ]),
            ...(properties.networkProfile?.networkInterfaces ?? []).map(({ id }): Fact => ['Interface', nameOf(id)]),
            [
              'Identity',
              machine.identity === undefined
                ? 'none'
                : [
                    machine.identity.type,
                    ...Object.keys(machine.identity.userAssignedIdentities ?? {}).map(nameOf),
                  ].join(', '),
            ],
            ...Object.entries(machine.tags ?? {}).map(([key, value]): Fact => [`Tag ${key}`, value]),
          ]}
        />
      </section>
      <section class="stack">
        <h2>State, as reported by the host</h2>
        <ul class="steps">
          {(instanceView?.statuses ?? [])
            .filter(({ code }) => !code.startsWith('Notice/'))
            .map((status, index) => (
              <li key={index}>
                <span
                  class={`badge ${status.level === 'Error' ? 'bad' : status.level === 'Warning' ? 'moving' : 'off'}`}
                >
                  <bdi>{status.displayStatus}</bdi>
                </span>{' '}
                <code>{status.code}</code>{' '}
                {status.time !== undefined && <span class="quiet">{momentOf(status.time)}</span>}
                {status.message !== undefined && (
                  <p>
                    <bdi>{status.message}</bdi>
                  </p>
                )}
              </li>
            ))}
        </ul>
      </section>
      <BootLog machine={machine} />
      <Activity events={events} />
    </>
  )
}
