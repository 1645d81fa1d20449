/** Formats of capture files, by the names that Wireshark's tools have for them (`tshark -F`): pcapng in ns, classic pcap in µs and in ns. */
export const CAPTURE_FORMATS = ['pcapng', 'pcap', 'nsecpcap'] as const;
export type CaptureFormat = (typeof CAPTURE_FORMATS)[number];

/** How names of such files end. */
export const extensionOf = (format: CaptureFormat): string => (format === 'pcapng' ? 'pcapng' : 'pcap');
