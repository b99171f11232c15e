import type { ComponentChildren } from 'preact'
import { Frame } from '../app/shell.tsx'
import { Freshness } from '../ui/freshness.tsx'
import { momentOf } from '../ui/format.ts'
import { useLive } from '../ui/live.ts'
import { Problem } from '../ui/problem.tsx'
import { get, subscriptionPath, versions } from '../wire/arm.ts'
import { BootLog } from './boot-log.tsx'
import { Activity } from './activity.tsx'
import { encryptionOf, groupOf, isMoving, nameOf, placeOf, powerOf, type Machine } from './machine.ts'
import { PowerActions } from './power-actions.tsx'
import { StateBadge } from './state-badge.tsx'

async function readMachine(group: string, name: string, signal: AbortSignal): Promise<Machine> {
  const path = `${await subscriptionPath()}/resourceGroups/${encodeURIComponent(group)}/providers/Microsoft.Compute/virtualMachines/${encodeURIComponent(name)}`
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
    <Frame>
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
    </Frame>
  )
}

function Whole({ machine, refresh }: { machine: Machine; refresh: () => void }) {
  const { properties } = machine
  const { instanceView } = properties
  const { message } = powerOf(instanceView)
  const security = properties.securityProfile
  const image = properties.storageProfile.imageReference
  return (
    <>
      {message !== undefined && <p class="why">{message}</p>}
      <PowerActions machine={machine} changed={refresh} />
      {(instanceView?.notices ?? []).map((notice) => (
        <p class="note" key={notice}>
          <bdi>{notice}</bdi>
        </p>
      ))}
      <section class="stack">
        <h2>What it is</h2>
        <dl class="facts">
          <Fact name="Group">{groupOf(machine.id)}</Fact>
          <Fact name="Region">{machine.location}</Fact>
          <Fact name="Size">{properties.hardwareProfile.vmSize}</Fact>
          <Fact name="Image">
            {image?.id ?? [image?.publisher, image?.offer, image?.sku, image?.version].join(':')}
          </Fact>
          <Fact name="Security type">{security?.securityType ?? 'Standard: its memory is open to the host'}</Fact>
          <Fact name="Secure Boot, vTPM">
            {security?.uefiSettings?.secureBootEnabled === true ? 'on' : 'off'},{' '}
            {security?.uefiSettings?.vTpmEnabled === true ? 'on' : 'off'}
          </Fact>
          <Fact name="Disk encryption">{encryptionOf(machine) ?? 'none of its own'}</Fact>
          <Fact name="Computer name">{properties.osProfile?.computerName ?? ''}</Fact>
          <Fact name="Account">{properties.osProfile?.adminUsername ?? 'of its image'}</Fact>
          <Fact name="Made">{properties.timeCreated === undefined ? '' : momentOf(properties.timeCreated)}</Fact>
          <Fact name="VM id">{properties.vmId}</Fact>
        </dl>
      </section>
      <section class="stack">
        <h2>Disks, interfaces, identities</h2>
        <dl class="facts">
          <Fact name="OS disk">{properties.storageProfile.osDisk.name ?? ''}</Fact>
          {(properties.storageProfile.dataDisks ?? []).map((disk) => (
            <Fact key={disk.lun} name={`Data disk at LUN ${disk.lun}`}>
              {disk.name ?? ''} {disk.diskSizeGB !== undefined && `(${disk.diskSizeGB} GB)`}
            </Fact>
          ))}
          {(properties.networkProfile?.networkInterfaces ?? []).map(({ id }) => (
            <Fact key={id} name="Interface">
              {nameOf(id)}
            </Fact>
          ))}
          <Fact name="Identity">
            {machine.identity === undefined
              ? 'none'
              : [machine.identity.type, ...Object.keys(machine.identity.userAssignedIdentities ?? {}).map(nameOf)].join(
                  ', ',
                )}
          </Fact>
          {Object.entries(machine.tags ?? {}).map(([key, value]) => (
            <Fact key={key} name={`Tag ${key}`}>
              {value}
            </Fact>
          ))}
        </dl>
      </section>
      <section class="stack">
        <h2>State, as the host tells it</h2>
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
      <Activity id={machine.id} />
    </>
  )
}

const Fact = ({ name, children }: { name: string; children: ComponentChildren }) => (
  <div>
    <dt>
      <bdi>{name}</bdi>
    </dt>
    <dd>
      <bdi>{children}</bdi>
    </dd>
  </div>
)
