import { authenticated, ignored, measured, under, unprotected, type Section } from '../row.ts'

/** What a host does to a machine without QEMU's control channel. */
export const outsideEvents: readonly string[] = [
  'clock: ahead or back',
  'kill of QEMU',
  'kill of the vTPM',
  'power cut',
  'pause: SIGSTOP',
  'second life of one state',
]

const paused =
  'test/system/minimal.slow.test.ts: is not trusted while it does not answer, which the report says within 2 s (attack H27)'
const ofJobs = 'cancel complete dismiss finalize pause resume'

export const events: Section = {
  id: 'events',
  title: 'Events',
  about:
    'The commands of QEMU’s control channel (`query-commands`, without those that only query), and what a host does without it. ' +
    'The channel is the server’s; anyone who runs QEMU gives it another one.',
  rows: [
    measured('reset count and clock of the TPM', 'running-guest', 'H27', ['system_reset', 'system_wakeup']),
    ignored('a guest that stands still answers no challenge: its report is not trusted', paused, [
      'cont',
      'pause: SIGSTOP',
      'stop',
    ]),
    measured(
      'PCR 1: the device or machine for it does not exist',
      'measured-boot',
      ['B3', 'E23'],
      [
        'balloon',
        ...under(
          'cxl-inject-',
          'correctable-error dram-event general-media-event memory-module-event poison uncorrectable-errors',
        ),
        ...under(
          '',
          'cxl-add-dynamic-capacity cxl-release-dynamic-capacity eject sev-inject-launch-secret set-numa-node',
        ),
        ...under('blockdev-', 'change-medium close-tray insert-medium open-tray remove-medium'),
        ...under(
          '',
          'x-colo-lost-heartbeat xen-colo-do-checkpoint xen-event-inject xen-event-list xen-load-devices-state ' +
            'xen-save-devices-state xen-set-global-dirty-log xen-set-replication',
        ),
      ],
    ),
    authenticated('attestation key of the vTPM: nothing takes its place', 'V11', ['kill of the vTPM']),
    authenticated(
      'volume key, in the vTPM',
      ['D5', 'D8'],
      [
        'block-commit',
        ...under('block-job-', `change set-speed ${ofJobs}`),
        ...under('job-', ofJobs),
        ...under('block-dirty-bitmap-', 'add clear disable enable merge remove'),
        'block-stream',
        'block_resize',
        ...under('blockdev-', 'add backup create del mirror reopen set-active snapshot'),
        ...under(
          '',
          'blockdev-snapshot-delete-internal-sync blockdev-snapshot-internal-sync blockdev-snapshot-sync ' +
            'change-backing-file device-sync-config drive-backup drive-mirror transaction x-blockdev-amend ' +
            'x-blockdev-change',
        ),
      ],
    ),
    ignored('no login, no system request of the kernel, no mount of what is plugged in', 'H13', [
      ...under('', 'chardev-send-break device_add device_del input-send-event object-add object-del send-key'),
    ]),
    ignored('a further interface is no way out', 'H31', ['announce-self', 'netdev_add', 'netdev_del', 'set_link']),
    ignored(
      'evidence and tokens are judged by clocks outside the guest',
      ['B6/clock', 'B6/ntp-answers'],
      ['clock: ahead or back', 'rtc-reset-reinjection'],
    ),
    ignored(
      'no console that the guest listens to',
      ['B1/console', 'B7'],
      [
        ...under(
          '',
          'add_client change-vnc-password chardev-add chardev-change chardev-remove display-reload ' +
            'display-update expire_password ringbuf-read ringbuf-write screendump set_password',
        ),
      ],
    ),
    ignored('concerns the host’s side of QEMU', 'H11', [
      ...under(
        '',
        'add-fd block-export-add block-export-del block-latency-histogram-set block-set-write-threshold ' +
          'block_set_io_throttle calc-dirty-rate cancel-vcpu-dirty-limit client_migrate_info closefd ' +
          'device-list-properties dumpdtb getfd nbd-server-add nbd-server-remove nbd-server-start ' +
          'nbd-server-stop qmp_capabilities qom-list qom-list-properties qom-list-types remove-fd request-ebpf ' +
          'set-vcpu-dirty-limit trace-event-get-state trace-event-set-state x-blockdev-set-iothread yank',
      ),
    ]),
    unprotected('A guest state that was in use when the server was killed', [
      'kill of QEMU',
      'power cut',
      ...under('', 'quit set-action system_powerdown watchdog-set-action'),
    ]),
    authenticated('attestation key, which certifies the launch; the vault signs which is the latest', 'H38', [
      'second life of one state',
    ]),
    unprotected('Simulated silicon is a program on the host', [
      ...under('', 'dump-guest-memory human-monitor-command inject-nmi memsave migrate migrate_cancel pmemsave'),
      ...under('migrate-', 'continue incoming pause recover set-capabilities set-parameters start-postcopy'),
      ...under(
        '',
        'qom-get qom-set replay-break replay-delete-break replay-seek snapshot-delete snapshot-load ' +
          'snapshot-save x-exit-preconfig',
      ),
    ]),
  ],
}
