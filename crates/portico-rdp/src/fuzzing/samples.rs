//! What a browser sends in the connect sequence.
#![expect(clippy::unwrap_used, reason = "fixed samples; only tests call this")]

use ironrdp_pdu::{
    gcc::{
        ChannelDef, ChannelName, ChannelOptions, ClientClusterData, ClientCoreData,
        ClientCoreOptionalData, ClientEarlyCapabilityFlags, ClientGccBlocks, ClientNetworkData,
        ClientSecurityData, ColorDepth, ConnectionType, EncryptionMethod, HighColorDepth,
        KeyboardType, RdpVersion, RedirectionFlags, RedirectionVersion, SecureAccessSequence,
        SupportedColorDepths,
    },
    mcs::{AttachUserRequest, ChannelJoinRequest, ConnectInitial, ErectDomainPdu, SendDataRequest},
    nego::SecurityProtocol,
    rdp::{
        ClientInfoPdu,
        client_info::{
            AddressFamily, ClientInfo, ClientInfoFlags, CompressionType, Credentials,
            ExtendedClientInfo, ExtendedClientOptionalInfo, PerformanceFlags, TimezoneInfo,
        },
        headers::{BasicSecurityHeader, BasicSecurityHeaderFlags},
    },
    x224::X224,
};

/// Connect Initial, the PDUs between, Client Info: each whole with TPKT, as the component of the
/// web page sends them (16 bits per pixel, no keyboard layout), but with a log-on, a shell and a
/// reconnect cookie of its own.
pub fn connect_sequence(channels: &[&str]) -> Vec<Vec<u8>> {
    let mut sequence = vec![connect_initial(channels)];
    sequence.extend(erect_to_join());
    sequence.push(client_info());
    sequence
}

fn connect_initial(channels: &[&str]) -> Vec<u8> {
    let network = ClientNetworkData {
        channels: channels
            .iter()
            .map(|name| ChannelDef {
                name: ChannelName::from_utf8(name).unwrap(),
                options: ChannelOptions::INITIALIZED,
            })
            .collect(),
    };
    let blocks = ClientGccBlocks {
        core: core_data(),
        security: ClientSecurityData {
            encryption_methods: EncryptionMethod::empty(),
            ext_encryption_methods: 0,
        },
        network: Some(network),
        cluster: Some(ClientClusterData {
            flags: RedirectionFlags::REDIRECTION_SUPPORTED
                | RedirectionFlags::REDIRECTED_SESSION_FIELD_VALID,
            redirection_version: RedirectionVersion::V4,
            redirected_session_id: 1,
        }),
        monitor: None,
        message_channel: None,
        multi_transport_channel: None,
        monitor_extended: None,
    };
    let pdu = ConnectInitial::with_gcc_blocks(blocks).unwrap();
    let data = ironrdp_pdu::x224::X224Data {
        data: ironrdp_core::encode_vec(&pdu).unwrap().into(),
    };
    ironrdp_core::encode_vec(&X224(data)).unwrap()
}

fn core_data() -> ClientCoreData {
    ClientCoreData {
        version: RdpVersion::V5_PLUS,
        desktop_width: 1280,
        desktop_height: 800,
        color_depth: ColorDepth::Bpp8,
        sec_access_sequence: SecureAccessSequence::Del,
        keyboard_layout: 0,
        client_build: 0,
        client_name: "ironrdp-web".into(),
        keyboard_type: KeyboardType::IBM_ENHANCED,
        keyboard_subtype: 0,
        keyboard_functional_keys_count: 12,
        ime_file_name: String::new(),
        optional_data: ClientCoreOptionalData {
            post_beta2_color_depth: Some(ColorDepth::Bpp8),
            client_product_id: Some(1),
            serial_number: Some(0),
            high_color_depth: Some(HighColorDepth::Rgb565Bpp16),
            supported_color_depths: Some(SupportedColorDepths::BPP16),
            early_capability_flags: Some(
                ClientEarlyCapabilityFlags::VALID_CONNECTION_TYPE
                    | ClientEarlyCapabilityFlags::SUPPORT_ERR_INFO_PDU
                    | ClientEarlyCapabilityFlags::STRONG_ASYMMETRIC_KEYS,
            ),
            dig_product_id: Some(String::new()),
            connection_type: Some(ConnectionType::Lan),
            server_selected_protocol: Some(SecurityProtocol::SSL),
            ..ClientCoreOptionalData::default()
        },
    }
}

/// Erect Domain, Attach User and two Channel Joins.
pub fn erect_to_join() -> Vec<Vec<u8>> {
    let join = |channel_id| {
        ironrdp_core::encode_vec(&X224(ChannelJoinRequest {
            initiator_id: 1007,
            channel_id,
        }))
        .unwrap()
    };
    vec![
        ironrdp_core::encode_vec(&X224(ErectDomainPdu {
            sub_height: 0,
            sub_interval: 0,
        }))
        .unwrap(),
        ironrdp_core::encode_vec(&X224(AttachUserRequest)).unwrap(),
        join(1003),
        join(1007),
    ]
}

fn client_info() -> Vec<u8> {
    let optional_data = ExtendedClientOptionalInfo::builder()
        .timezone(TimezoneInfo::default())
        .session_id(0)
        .performance_flags(PerformanceFlags::empty())
        .reconnect_cookie([0xcc; 28])
        .build();
    let info = ClientInfoPdu {
        security_header: BasicSecurityHeader {
            flags: BasicSecurityHeaderFlags::INFO_PKT,
        },
        client_info: ClientInfo {
            credentials: Credentials {
                username: "mallory".into(),
                password: "guess".into(),
                domain: Some("EVIL".into()),
            },
            password_cookie: None,
            code_page: 0,
            flags: ClientInfoFlags::MOUSE
                | ClientInfoFlags::UNICODE
                | ClientInfoFlags::RAIL
                | ClientInfoFlags::AUTOLOGON,
            compression_type: CompressionType::K8,
            alternate_shell: "sh -c evil".into(),
            work_dir: "/evil".into(),
            extra_info: ExtendedClientInfo {
                address_family: AddressFamily::INET,
                address: "192.0.2.1".into(),
                dir: "C:\\x".into(),
                optional_data,
            },
        },
    };
    let data = SendDataRequest {
        initiator_id: 1007,
        channel_id: 1003,
        user_data: ironrdp_core::encode_vec(&info).unwrap().into(),
    };
    ironrdp_core::encode_vec(&X224(data)).unwrap()
}
